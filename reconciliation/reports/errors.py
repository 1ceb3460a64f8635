"""What is wrong with a file, where, and in words its sender understands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`line` as a text editor counts (of a workbook: the sheet's row); `column` as the file spells it, or empty."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.reason}"


class ReportError(Exception):
    """The file is refused, all of it: nothing that was read from it may be used."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))

    @property
    def line(self) -> int:
        return self.problem.line

    @property
    def column(self) -> str:
        return self.problem.column

    @property
    def reason(self) -> str:
        return self.problem.reason


def refuse(line: int, reason: str, *, column: str = "") -> ReportError:
    return ReportError(Problem(line, column, reason))


class Problems:
    """Where readers take what is wrong: the first one stops the reading, or `limit` of them are gathered."""

    def __init__(self, *, limit: int = 1) -> None:
        self.found: list[Problem] = []
        self._limit = limit

    def add(self, *problems: Problem) -> None:
        """Raise ReportError when there are enough."""
        for problem in problems:
            self.found.append(problem)
            if len(self.found) >= self._limit:
                raise ReportError(problem)

    def __bool__(self) -> bool:
        return bool(self.found)
