"""Whose file it is: told by its header, or said by somebody, never guessed."""

from dataclasses import replace
from io import BytesIO

import pytest

from reconciliation.reports.conventions import ColumnMapping, Conventions
from reconciliation.reports.errors import Problem, ReportError
from reconciliation.reports.formats import FORMATS
from reconciliation.reports.reading import Report, doctor, prove
from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.files import Sample, written
from tests.reconciliation.reports.samples import SAMPLES, SANDBOX


def refused(data: bytes, *, format: str = "", how: Conventions | None = None) -> Problem:
    with pytest.raises(ReportError) as refusal:
        Report(BytesIO(data), format=format, conventions=how or Conventions())
    return refusal.value.problem


def test_an_unknown_header_is_refused_with_the_formats_that_are_known() -> None:
    problem = refused(b"when,what,how much\n1,2,3\n")

    assert problem.line == 1
    assert all(name in problem.reason for name in FORMATS if name != "generic")


def test_a_header_that_is_almost_one_says_which_and_what_it_lacks() -> None:
    names = [name for name in SANDBOX if name not in {"fee", "net"}]
    problem = refused(b"\n\n" + written([names]).encode())

    assert problem.line == 3
    assert "sandbox" in problem.reason
    assert "fee, net are missing" in problem.reason


def test_a_header_of_two_formats_is_refused_until_one_is_named() -> None:
    mapping = ColumnMapping(
        transaction_id="transaction_id",
        type="type",
        occurred_at="created_at",
        gross="net",
        currency="currency",
        types={each.value: each for each in RowType},
    )
    sample = replace(SAMPLES["sandbox"], conventions=Conventions(mapping=mapping))

    assert "sandbox and generic" in refused(sample.encoded(), how=sample.conventions).reason
    assert prove(BytesIO(sample.encoded()), format="sandbox", conventions=sample.conventions).rows == 6


def test_a_named_format_is_not_looked_for_elsewhere() -> None:
    problem = refused(SAMPLES["sandbox"].encoded(), format="adyen_settlement")

    assert "adyen_settlement" in problem.reason


@pytest.mark.parametrize(("format_", "words"), [("mt940", "known are adyen"), ("generic", "needs a column mapping")])
def test_a_caller_who_names_what_cannot_be_is_told(format_: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Report(BytesIO(b"a"), format=format_)


def test_an_encoding_nobody_knows_is_the_callers_mistake() -> None:
    with pytest.raises(LookupError):
        Report(BytesIO(b"a"), conventions=Conventions(encoding="klingon"))


@pytest.mark.parametrize("how", [Conventions(zone="Mars/Olympus"), Conventions(zones={"PST": "Pacific"})])
def test_a_time_zone_nobody_knows_is_the_callers_mistake(how: Conventions) -> None:
    with pytest.raises(ValueError, match="not the name of a time zone"):
        Report(BytesIO(SAMPLES["sandbox"].encoded()), conventions=how)


@pytest.mark.parametrize(
    ("said", "real"),
    [("utf8", "utf-8-sig"), ("UTF-8", "utf-8"), ("utf-16", "utf-16"), ("utf_16_le", "utf-16-le"), ("cp1252", "cp1252")],
)
def test_an_encoding_may_be_said_with_or_without_its_mark(said: str, real: str) -> None:
    sample = SAMPLES["sandbox"]

    assert list(Report(BytesIO(sample.encoded(encoding=real)), conventions=Conventions(encoding=said))) == sample.rows


def test_a_mark_of_another_encoding_than_was_said_is_not_believed() -> None:
    refused(SAMPLES["sandbox"].encoded(encoding="utf-16"), how=Conventions(encoding="utf-8"))


@pytest.mark.parametrize("separators", [{"decimal": ";"}, {"grouping": "."}, {"grouping": "  "}])
def test_separators_that_cannot_be_told_apart_are_the_callers_mistake(separators: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="decimals"):
        Conventions(**separators)  # type: ignore[arg-type]


def test_an_empty_file_and_a_program_are_refused() -> None:
    assert refused(b"").reason == "the file is empty"
    assert "NUL" in refused(b"transaction_id,type\n\0\0\0").reason
    assert refused(b"transaction_id,type\n\0\0\0").line == 2


def test_a_report_is_walked_through_once() -> None:
    report = SAMPLES["sandbox"].report()
    assert len(list(report)) == 6

    with pytest.raises(RuntimeError, match="once"):
        list(report)


def test_nothing_is_proved_before_the_last_row() -> None:
    report = SAMPLES["sandbox"].report()
    next(iter(report))

    assert not report.proof.is_complete


def test_an_error_says_where_and_why_in_one_sentence() -> None:
    with pytest.raises(ReportError) as refusal:
        list(SAMPLES["sandbox"].changed(3, "gross", "50,00").report())

    assert (refusal.value.line, refusal.value.column) == (3, "gross")
    assert refusal.value.reason in str(refusal.value)
    assert str(refusal.value).startswith("line 3, column gross: '50,00' is not an amount written with '.'")


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_the_doctor_tells_of_a_file_that_cannot_be_opened_too(sample: Sample) -> None:
    assert [problem.line for problem in doctor(BytesIO(b"a,b\n1,2\n"), conventions=sample.conventions)] == [1]


def test_the_doctor_does_not_hold_sums_against_rows_that_could_not_be_read() -> None:
    broken = SAMPLES["sandbox"].changed(2, "gross", "a lot")

    assert [problem.line for problem in broken.doctored()] == [2]


@pytest.mark.parametrize(
    ("line", "cells", "words"),
    [
        (3, ["SX"], "no record"),
        (3, ["SB", "T9"], "outside of a section"),
        (3, ["SF", "USD", "1", "1", "1", "1"], "outside of a section"),
        (11, ["SB", "T9"], "under 17 column names"),
        (13, ["SF", "USD", "0", "0", "0", "0"], "has had its footer"),
        (12, ["SF", "USD", "much", "0", "0", "0"], "cannot be read"),
        (12, ["SF", "USD", "13100"], "but the rows have"),
    ],
)
def test_a_record_of_paypals_that_is_not_where_it_belongs_is_refused(line: int, cells: list[str], words: str) -> None:
    sample = SAMPLES["paypal_settlement"]
    problems = sample.having([*sample.lines[: line - 1], cells, *sample.lines[line - 1 :]]).doctored()

    assert any(words in problem.reason and problem.line == line for problem in problems)


def test_a_transaction_below_the_footers_of_its_section_is_refused() -> None:
    sample = SAMPLES["paypal_settlement"]
    lines = [*sample.lines]
    lines.insert(12, lines.pop(4))

    assert any("below the footers" in problem.reason for problem in sample.having(lines).doctored())


def test_one_file_of_several_is_not_held_against_the_footers_of_all() -> None:
    sample = SAMPLES["paypal_settlement"]
    report = [["RF", "USD", "99", "0", "0", "0"], ["RC", "99"], ["FF", "1"]]

    assert list(sample.having([*sample.lines[1:14], *report]).report())
    assert sample.having([*sample.lines[:14], *report]).doctored()


def test_a_fee_in_another_currency_than_its_payment_is_refused() -> None:
    problems = SAMPLES["paypal_settlement"].changed(5, "Fee Currency", "EUR").doctored()

    assert [(problem.line, problem.column) for problem in problems] == [(5, "Fee Currency")]


@pytest.mark.parametrize(("column", "text"), [("Fee Debit or Credit", ""), ("Gross Transaction Amount", "-1")])
def test_an_amount_without_a_side_or_with_a_sign_is_refused_at_paypal(column: str, text: str) -> None:
    problems = SAMPLES["paypal_settlement"].changed(5, column, text).doctored()

    assert problems[0].column == column


def test_the_sandboxs_totals_come_once_for_each_currency_and_last() -> None:
    sample = SAMPLES["sandbox"]
    twice = sample.having([*sample.lines, sample.lines[-1]])
    late = sample.having([*sample.lines, ["cap_9", *sample.lines[1][1:]]])

    assert twice.doctored()[0].line == len(sample.lines) + 1
    assert "below a TOTAL" in late.doctored()[0].reason


def test_an_adyen_amount_without_its_currency_and_a_file_without_a_batch_are_refused() -> None:
    sample = SAMPLES["adyen_settlement"]

    assert sample.changed(2, "Gross Currency", "").doctored()[0].column == "Gross Currency"
    assert "no batch" in sample.having(sample.lines[:1]).doctored()[0].reason
