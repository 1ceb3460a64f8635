"""What holds for any file, in any order, in any encoding."""

import random
from dataclasses import replace
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.money import MAX_AMOUNT_MINOR, currencies, exponent
from payments.sandbox.report import Movement, as_csv
from reconciliation.reports import amounts
from reconciliation.reports.errors import Problem, ReportError
from reconciliation.reports.reading import Report, doctor
from reconciliation.reports.rows import Row
from tests.reconciliation.reports.files import Sample, at
from tests.reconciliation.reports.samples import SAMPLES

any_amount = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
any_currency = st.sampled_from(sorted(currencies()))
any_reference = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), max_size=20)
any_movement = st.builds(
    Movement,
    transaction_id=st.uuids().map(str),
    type=st.just("charge"),
    reference=any_reference.map(str.strip),
    created_at=st.just(at(10).isoformat()),
    currency=any_currency,
    gross=st.integers(-(10**12), 10**12),
    fee=st.integers(-(10**9), 10**9),
    status=st.just("captured"),
)
unhurried = settings(deadline=None)
"""Each example writes and reads files, on a machine that may have other things to do."""
any_report = st.lists(any_movement, max_size=8, unique_by=lambda each: each.transaction_id)


@given(any_amount, any_currency, st.sampled_from([(".", ""), (",", ""), (".", ","), (",", "."), (".", "'")]))
def test_amounts_survive_being_written_and_read(minor: int, currency: str, separators: tuple[str, str]) -> None:
    decimal, grouping = separators
    text = f"{Decimal(minor).scaleb(-exponent(currency)):,f}"
    written = text.replace(",", "_").replace(".", decimal).replace("_", grouping)

    assert amounts.from_major(written, currency, decimal=decimal, grouping=grouping) == minor


@given(st.integers(0, 10**9), any_currency, st.integers(1, 9))
def test_anything_finer_than_the_minor_unit_is_refused(whole: int, currency: str, digit: int) -> None:
    with pytest.raises(ValueError, match="finer"):
        amounts.from_major(f"{whole}.{'0' * exponent(currency)}{digit}", currency)


@given(st.text(max_size=12))
def test_a_text_is_an_amount_or_refused_but_never_another_error(text: str) -> None:
    try:
        minor = amounts.from_major(text, "USD")
    except ValueError:
        return

    assert Decimal(text) * 100 == minor


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
@unhurried
@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_columns_does_not_matter(sample: Sample, seed: int) -> None:
    first = sample.rows[0].line - 2
    last = sample.rows[-1].line if sample.format == "paypal_settlement" else len(sample.lines)
    # The first cell of PayPal's records says what they are.
    fixed = [0] if sample.format == "paypal_settlement" else []
    free = list(range(len(fixed), len(sample.names)))
    random.Random(seed).shuffle(free)
    order = [*fixed, *free]
    moved = [[cells[at] for at in order] if first <= n < last else cells for n, cells in enumerate(sample.lines)]

    assert list(sample.having(moved).report()) == sample.rows


@unhurried
@given(any_report, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]))
def test_a_report_reads_the_same_in_every_encoding(moved: list[Movement], encoding: str) -> None:
    told = [(each.transaction_id, each.reference, each.gross, each.fee, each.net, each.currency) for each in moved]

    # Of accents alone nobody can tell the encoding: here it is said, where the file has no mark of it.
    how = replace(SAMPLES["sandbox"].conventions, encoding="" if encoding in {"utf-8-sig", "utf-16"} else encoding)
    rows = list(Report(BytesIO(as_csv(moved).encode(encoding)), conventions=how))

    assert told == [
        (row.transaction_id, row.reference, row.gross_minor, row.fee_minor, row.net_minor, row.currency) for row in rows
    ]


@unhurried
@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(ReportError) as refusal:
        Report(BytesIO(data))

    assert refusal.value.line >= 1


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
@unhurried
@given(data=st.data())
def test_a_damaged_file_is_read_as_it_was_or_refused_and_the_doctor_agrees(sample: Sample, data: st.DataObject) -> None:
    whole = bytearray(sample.encoded())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))

    problems = doctor(BytesIO(bytes(whole)), conventions=sample.conventions)
    found = read(sample, bytes(whole))

    if isinstance(found, Problem):
        assert found in problems
    else:
        assert problems == []
        assert [row.net_minor for row in found] == [row.net_minor for row in sample.rows]


def read(sample: Sample, data: bytes) -> list[Row] | Problem:
    try:
        return list(sample.report(data))
    except ReportError as refusal:
        return refusal.problem
