"""Files as they arrive: in every encoding, with every line end, cut off, doubled, a cent off; each in each format."""

import hashlib
from dataclasses import replace
from io import BytesIO

import pytest

from orders.money import exponent
from reconciliation.reports.errors import ReportError
from reconciliation.reports.reading import Report, doctor, prove
from tests.reconciliation.reports.files import Sample, refused, written
from tests.reconciliation.reports.samples import SAMPLES

every_format = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@every_format
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_encoding_gives_the_same_rows(sample: Sample, encoding: str) -> None:
    assert list(sample.report(sample.encoded(encoding=encoding))) == sample.rows


@every_format
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_line_end_and_delimiter_gives_the_same_rows(sample: Sample, end: str, delimiter: str) -> None:
    assert list(sample.report(sample.encoded(end=end, delimiter=delimiter))) == sample.rows


@every_format
def test_what_stands_above_the_header_is_passed_over_and_its_lines_are_counted(sample: Sample) -> None:
    above = 'Exported for "ACME\n\nby somebody, at some time\n'

    rows = list(sample.report(sample.encoded(above=above)))

    assert [row.line for row in rows] == [row.line + 3 for row in sample.rows]
    assert [row.entry_id for row in rows] == [row.entry_id for row in sample.rows]


@every_format
def test_lines_are_counted_as_an_editor_does_also_below_a_cell_of_several(sample: Sample) -> None:
    free = {"stripe_itemized": "description", "stripe_dashboard": "Description", "adyen_settlement": "Reserved4"}
    free |= {"paypal_settlement": "Custom Field", "sandbox": "status", "generic": "Bestellung"}
    line = sample.rows[0].line
    tall = sample.changed(line, free[sample.format], "one\ntwo\r\nthree")

    assert [row.line for row in tall.report()] == [line, *(row.line + 2 for row in sample.rows[1:])]


@every_format
def test_empty_lines_say_nothing(sample: Sample) -> None:
    line = sample.rows[0].line
    spaced = sample.having([*sample.lines[:line], [], *sample.lines[line:], []])

    assert len(list(spaced.report())) == len(sample.rows)


@every_format
def test_a_byte_of_another_encoding_is_refused_with_its_line(sample: Sample) -> None:
    lines = sample.encoded().splitlines(keepends=True)
    last = sample.rows[-1].line
    lines[last - 1] = b"\xe9" + lines[last - 1]

    problem = refused(sample, b"".join(lines))

    assert problem.line == last
    assert "UTF-8" in problem.reason


@every_format
def test_a_file_in_another_encoding_than_was_said_is_refused_with_the_line(sample: Sample) -> None:
    first = next(number for number, cells in enumerate(sample.lines, 1) if not "".join(cells).isascii())
    said = replace(sample.conventions, encoding="utf-8")

    with pytest.raises(ReportError) as refusal:
        Report(BytesIO(sample.encoded(encoding="cp1252")), conventions=said)

    assert refusal.value.line == first


@every_format
def test_a_file_cut_off_anywhere_in_its_last_movement_is_refused(sample: Sample) -> None:
    """Of Stripe's and unknown files the movements end the file; the others end with what proves them."""
    whole = sample.encoded()
    before = len(written(sample.lines[: sample.rows[-1].line - 1]).encode())
    after = len(written(sample.lines[: sample.rows[-1].line]).encode())

    for size in range(before + 1, after - (sample.format == "adyen_settlement")):
        assert refused(sample, whole[:size]).line >= sample.rows[-1].line - 1


@pytest.mark.parametrize("format_", ["stripe_itemized", "stripe_dashboard", "generic"])
def test_a_last_line_without_its_end_is_refused_where_nothing_else_proves_that_it_is_whole(format_: str) -> None:
    sample = SAMPLES[format_]
    careless = replace(sample, conventions=replace(sample.conventions, is_last_line_ended=False))

    problem = refused(sample, sample.encoded()[:-1])

    assert problem.line == sample.rows[-1].line
    assert list(careless.report(sample.encoded()[:-1])) == sample.rows


@pytest.mark.parametrize("format_", ["sandbox", "adyen_settlement", "paypal_settlement"])
def test_a_file_with_sums_of_its_own_is_refused_wherever_it_was_cut_off(format_: str) -> None:
    sample = SAMPLES[format_]
    whole = sample.encoded()
    start = len(written(sample.lines[: sample.rows[0].line - 1]).encode())
    # Adyen's batch and the sandbox's totals end the file. What comes after PayPal's last sums can be done without.
    end = whole.rindex(b"180") + 3 if format_ == "paypal_settlement" else len(whole) - 1

    for size in range(start + 1, end):
        refused(sample, whole[:size])


@every_format
def test_a_row_that_is_there_twice_is_refused_with_both_lines(sample: Sample) -> None:
    for row in sample.rows:
        twice = sample.having([*sample.lines[: row.line], *sample.lines[row.line - 1 :]])
        problem = refused(twice)

        assert problem.line == row.line + 1
        assert f"line {row.line}" in problem.reason


def test_costs_that_only_share_their_description_are_not_the_same_movement() -> None:
    sample = SAMPLES["adyen_settlement"]
    other = list(sample.lines[7])
    other[sample.names.index("Net Debit (NC)")] = "1.00"
    payout = sample.changed(9, "Net Debit (NC)", "114.00").lines[8]

    assert len(list(sample.having([*sample.lines[:8], other, payout]).report())) == len(sample.rows) + 1


PROVED = {
    "stripe_itemized": ("gross", "fee", "net"),
    "stripe_dashboard": ("Amount", "Fee", "Net"),
    "adyen_settlement": ("Net Debit (NC)", "Net Credit (NC)"),
    "paypal_settlement": ("Gross Transaction Amount", "Fee Amount"),
    "sandbox": ("gross", "fee", "net"),
    "generic": ("Betrag", "Entgelt", "Auszahlung"),
}


@every_format
def test_every_amount_that_is_off_by_one_minor_unit_is_refused_with_a_line(sample: Sample) -> None:
    for row in sample.rows:
        for column in PROVED[sample.format]:
            if text := sample.cell(row.line, column):
                problem = refused(sample.changed(row.line, column, off_by_one(text, row.currency, sample)))

                assert row.line <= problem.line <= len(sample.lines)


@pytest.mark.parametrize("column", ["Gross Credit (GC)", "Commission (NC)", "Markup (NC)", "Interchange (NC)"])
def test_adyens_settled_rows_are_proved_one_by_one(column: str) -> None:
    sample = SAMPLES["adyen_settlement"]
    for line in (2, 3, 4):
        if text := sample.cell(line, column):
            assert refused(sample.changed(line, column, off_by_one(text, "EUR", sample))).line == line


@pytest.mark.parametrize("column", [1, 5, 6, 7])
def test_every_figure_of_the_sandboxs_totals_is_held_against_the_rows(column: int) -> None:
    sample = SAMPLES["sandbox"]
    total = list(sample.lines[-1])
    total[column] = "6" if column == 1 else off_by_one(total[column], "USD", sample)

    problem = refused(sample.having([*sample.lines[:-1], total]))

    assert (problem.line, problem.column) == (len(sample.lines), sample.names[column])


@pytest.mark.parametrize("line", [12, 13, 15, 16])
@pytest.mark.parametrize("column", [2, 3, 4, 5])
def test_every_figure_of_paypals_footers_is_held_against_the_rows(line: int, column: int) -> None:
    sample = SAMPLES["paypal_settlement"]
    footer = list(sample.lines[line - 1])
    footer[column] = str(int(footer[column]) + 1)

    assert refused(sample.having([*sample.lines[: line - 1], footer, *sample.lines[line:]])).line == line


@pytest.mark.parametrize("line", [14, 17])
def test_paypals_counts_are_held_against_the_rows(line: int) -> None:
    sample = SAMPLES["paypal_settlement"]
    kind = sample.lines[line - 1][0]

    assert refused(sample.having([*sample.lines[: line - 1], [kind, "8"], *sample.lines[line:]])).line == line


@every_format
def test_a_required_column_that_is_not_there_is_named(sample: Sample) -> None:
    column = {"paypal_settlement": "Fee Amount", "adyen_settlement": "Net Debit (NC)", "generic": "Betrag"}
    name = column.get(sample.format, "net" if "net" in sample.names else "Net")
    place = sample.names.index(name)
    narrow = sample.having([[cell for at, cell in enumerate(cells) if at != place] for cells in sample.lines])

    problem = refused(narrow)

    assert name in (problem.column, *problem.reason.split())
    assert problem.line == sample.rows[0].line - 1


@every_format
def test_a_required_column_that_is_there_twice_is_refused(sample: Sample) -> None:
    names = sample.rows[0].line - 2
    place = PROVED[sample.format][0]
    double = [[*cells, place] if at == names else cells for at, cells in enumerate(sample.lines)]

    problem = refused(sample.having(double))

    assert (problem.line, problem.column) == (names + 1, place)


@every_format
def test_a_row_with_a_cell_too_many_is_refused(sample: Sample) -> None:
    line = sample.rows[1].line
    wide = [[*cells, "more"] if at == line - 1 else cells for at, cells in enumerate(sample.lines)]

    assert refused(sample.having(wide)).line == line


@every_format
def test_a_quotation_mark_without_its_end_is_refused_where_it_begins(sample: Sample) -> None:
    lines = sample.encoded().splitlines(keepends=True)
    line = sample.rows[1].line
    lines[line - 1] = lines[line - 1].replace(b",", b',"', 1)

    assert refused(sample, b"".join(lines)).line == line


def test_quotation_marks_that_bind_all_lines_into_one_record_are_refused_where_it_begins() -> None:
    sample = SAMPLES["sandbox"]
    endless = written(sample.lines[:2]).encode() + b'"x' + b'\n","x' * 5000

    assert refused(sample, endless).line == 3


def test_a_file_is_known_by_its_bytes_under_whatever_name() -> None:
    for sample in SAMPLES.values():
        data = sample.encoded()
        proof = prove(BytesIO(data), conventions=sample.conventions)

        assert proof.sha256 == hashlib.sha256(data).hexdigest()
        assert proof.size_bytes == len(data)


@every_format
def test_the_doctor_finds_nothing_wrong_with_a_file_that_proves_itself(sample: Sample) -> None:
    assert sample.doctored() == []


@every_format
def test_the_doctor_names_every_problem_and_not_only_the_first(sample: Sample) -> None:
    column = PROVED[sample.format][0]
    lines = [row.line for row in sample.rows if sample.cell(row.line, column)]
    broken = sample
    for line in lines:
        broken = broken.changed(line, column, "a lot")

    assert {problem.line for problem in broken.doctored()} == set(lines)
    assert len(doctor(BytesIO(broken.encoded()), conventions=sample.conventions, limit=2)) == 2


def off_by_one(text: str, currency: str, sample: Sample) -> str:
    """The last digit of what is written, made another."""
    decimal = sample.conventions.decimal
    places = 0 if sample.format == "paypal_settlement" else exponent(currency)
    whole, _, decimals = text.partition(decimal)
    digits = decimals.ljust(places, "0")
    nudged = f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}" if digits else ""
    return f"{whole}{decimal}{nudged}" if nudged else f"{whole[:-1]}{(int(whole[-1]) + 1) % 10}"
