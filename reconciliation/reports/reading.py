"""The way in: open a report, walk through its rows, and use them once the walk has ended well."""

from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice
from typing import BinaryIO, Final

from reconciliation.reports import detection, tables, times, workbooks
from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, Problems, ReportError
from reconciliation.reports.formats.base import Format
from reconciliation.reports.proof import Proof
from reconciliation.reports.repeats import Repeats
from reconciliation.reports.rows import Row
from reconciliation.reports.survey import survey
from reconciliation.reports.tables import Line

UNSAID: Final = Conventions()
MAX_PROBLEMS: Final = 100


class Report:
    """One file: walked through for its encoding and checksum when it is opened, and for its rows when iterated.

    `file` is binary and seekable. `format` names one of `formats.FORMATS`; left out, the header tells. Raise
    ReportError where the file is wrong, ValueError where the caller is.

    A row that comes out is well formed, but belongs to a proven file only when the iteration ends: until then any row
    may be followed by a ReportError, and nothing may be made of it that cannot be undone. Memory does not grow with
    the file.
    """

    def __init__(
        self, file: BinaryIO, *, format: str = "", conventions: Conventions = UNSAID, problems: Problems | None = None
    ) -> None:
        formats = detection.candidates(format, conventions)
        for zone in filter(None, (conventions.zone, *conventions.zones.values())):
            times.zone_named(zone)
        self._file = file
        self._conventions = conventions
        self._problems = Problems() if problems is None else problems
        self._survey = survey(file, encoding=conventions.encoding)
        self._found = self._detect(formats)
        self._last = self._found.header.line
        self._is_walked = False
        self.proof = Proof(
            format=self._found.format.name,
            sha256=self._survey.sha256,
            size_bytes=self._survey.size_bytes,
            encoding=self._survey.encoding,
        )

    def __iter__(self) -> Iterator[Row]:
        """Once only: the proof belongs to one walk."""
        if self._is_walked:
            raise RuntimeError("a report is walked through once; open the file again")
        self._is_walked = True
        reader = self._found.format(self._conventions, self._problems)
        with Repeats() as repeats:
            for row in reader.rows(self._found.header, self._lines(reader.reads_header)):
                self.proof.add(row)
                repeats.add(row)
                yield row
            disproved = [] if self._problems else reader.disproved
            for line, first in nsmallest(MAX_PROBLEMS, repeats.found()):
                self._problems.add(Problem(line, "", f"is the same movement as line {first}"))
        self._problems.add(*disproved)
        if not (self._survey.is_ended or reader.proves_its_end) and self._conventions.is_last_line_ended:
            self._problems.add(Problem(self._last, "", "is the last line and has no line end: the file may be cut off"))
        self.proof.checks = tuple(reader.checks)
        self.proof.is_complete = not self._problems

    def _detect(self, formats: list[type[Format]]) -> detection.Found:
        if self._survey.is_workbook:
            top = list(islice(workbooks.rows(self._file, self._conventions), detection.PREAMBLE))
            return detection.in_sheet(top, formats, self._conventions)
        top_lines = tables.first_lines(self._file, self._survey.encoding, detection.PREAMBLE)
        return detection.in_text(top_lines, formats, self._conventions)

    def _lines(self, reads_header: bool) -> Iterator[Line]:
        top = self._found.header.line - reads_header
        for line, cells in self._all_lines(top):
            self._last = line
            yield line, cells

    def _all_lines(self, top: int) -> Iterator[Line]:
        if self._survey.is_workbook:
            return (line for line in workbooks.rows(self._file, self._conventions) if line[0] > top)
        return tables.delimited(self._file, self._survey.encoding, self._found.delimiter, skip=top)


def prove(file: BinaryIO, *, format: str = "", conventions: Conventions = UNSAID) -> Proof:
    """Walk through all of it and keep nothing but the proof. Raise ReportError at the first thing that is wrong."""
    report = Report(file, format=format, conventions=conventions)
    for _ in report:
        pass
    return report.proof


def doctor(
    file: BinaryIO, *, format: str = "", conventions: Conventions = UNSAID, limit: int = MAX_PROBLEMS
) -> list[Problem]:
    """Everything that is wrong with the file, by line, up to `limit`; empty for one that `prove` accepts.

    A file's own sums are held against rows that could all be read: while some cannot, they say nothing.
    """
    problems = Problems(limit=limit)
    try:
        for _ in Report(file, format=format, conventions=conventions, problems=problems):
            pass
    except ReportError as error:
        if error.problem not in problems.found:
            problems.found.append(error.problem)
    return sorted(problems.found)
