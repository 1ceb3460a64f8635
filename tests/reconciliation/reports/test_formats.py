"""What each format's own words, columns and amounts come out as."""

from dataclasses import replace
from io import BytesIO

import pytest

from payments.gateways.stripe import objects
from reconciliation.reports.conventions import ColumnMapping, Conventions
from reconciliation.reports.formats import FORMATS
from reconciliation.reports.formats.stripe import ORDER as ORDER_COLUMN
from reconciliation.reports.reading import Report, prove
from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.adyen_files import ADYEN_SINCE_2025, adyen
from tests.reconciliation.reports.files import ORDER, Sample, at, refused
from tests.reconciliation.reports.samples import SAMPLES

every_format = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@every_format
def test_a_file_that_proves_itself_is_recognised_and_read_exactly(sample: Sample) -> None:
    report = sample.report()

    assert list(report) == sample.rows
    assert report.proof.format == sample.format
    assert report.proof.rows == len(sample.rows)
    assert report.proof.is_complete


def test_there_is_a_file_of_every_format() -> None:
    assert SAMPLES.keys() == FORMATS.keys()


@every_format
def test_a_format_may_be_named(sample: Sample) -> None:
    report = Report(BytesIO(sample.encoded()), format=sample.format, conventions=sample.conventions)

    assert list(report) == sample.rows


@every_format
def test_columns_nobody_knows_are_no_hindrance(sample: Sample) -> None:
    names = sample.rows[0].line - 2
    first, last = sample.rows[0].line - 1, sample.rows[-1].line
    is_wide = range(names, len(sample.lines) if sample.format != "paypal_settlement" else last)
    extra = {at: ["New Column"] if at == names else ["whatever"] for at in is_wide}
    wider = [[*cells, *extra.get(at, [])] for at, cells in enumerate(sample.lines)]

    assert first > names
    assert list(sample.having(wider).report()) == sample.rows


def test_the_payments_order_is_where_the_adapter_puts_it() -> None:
    assert f"payment_metadata[{objects.ORDER}]" == ORDER_COLUMN


def test_payouts_are_in_no_sum_of_what_was_earned() -> None:
    proof = prove(BytesIO(SAMPLES["stripe_itemized"].encoded()))

    assert proof.sums["USD", RowType.PAYOUT].net_minor == -5870
    assert proof.activity("USD").net_minor == 9680 + 7900 - 3000 - 2000 + 4825 - 11500 - 35
    assert proof.activity("USD").rows == 7


def test_a_partial_capture_is_the_sum_of_its_rows() -> None:
    rows = [row for row in SAMPLES["stripe_itemized"].report() if row.transaction_id == "ch_2"]

    assert [row.type for row in rows] == [RowType.CHARGE, RowType.CHARGE]
    assert sum(row.gross_minor for row in rows) == 5000


def test_without_a_column_in_utc_the_reports_own_zone_is_used() -> None:
    sample = SAMPLES["stripe_itemized"]
    column = sample.names.index("created_utc")
    local = sample.having([[*cells[:column], *cells[column + 1 :]] for cells in sample.lines])
    pacific = Conventions(zone="America/Los_Angeles")

    assert list(Report(BytesIO(local.encoded()), conventions=pacific)) == sample.rows
    assert refused(local).column == "created"
    assert "nobody has said" in refused(local).reason


def test_an_older_dashboard_export_has_fewer_columns() -> None:
    sample = SAMPLES["stripe_dashboard"]
    newer = ("Destination Platform Fee", "Destination Platform Fee Currency", "Transfer Group")
    kept = [at for at, name in enumerate(sample.names) if name not in newer]

    assert list(sample.having([[cells[at] for at in kept] for cells in sample.lines]).report()) == sample.rows


def test_newer_dashboard_exports_quote_their_first_column_and_write_it_large() -> None:
    sample = SAMPLES["stripe_dashboard"]
    data = sample.encoded().replace(b"id,", b'"ID",', 1)

    assert list(sample.report(data)) == sample.rows


def test_stripes_users_choose_their_decimal_separator() -> None:
    sample = SAMPLES["stripe_itemized"]
    money = {sample.names.index(name) for name in ("gross", "fee", "net", "customer_facing_amount")}
    lines = [
        [cell.replace(".", ",") if at in money else cell for at, cell in enumerate(cells)] for cells in sample.lines
    ]
    comma = replace(sample, lines=lines, conventions=Conventions(decimal=","))

    assert list(comma.report()) == sample.rows
    assert refused(replace(comma, conventions=Conventions())).line == 2


def test_the_total_of_adyens_fees_is_never_added_to_its_parts() -> None:
    newer = adyen(ADYEN_SINCE_2025)

    assert newer.cell(3, "Payment Fees (NC)") == "1.3"
    assert list(newer.report()) == newer.rows


def test_a_commission_beside_its_parts_is_refused() -> None:
    problem = refused(adyen().changed(5, "Commission (NC)", "0.10"))

    assert (problem.line, problem.column) == (5, "Commission (NC)")


def test_money_that_went_both_ways_is_refused() -> None:
    problem = refused(adyen().changed(5, "Net Credit (NC)", "0.10"))

    assert (problem.line, problem.column) == (5, "Net Debit (NC)")


def test_an_amount_with_a_sign_in_a_column_that_has_one_is_refused() -> None:
    problem = refused(adyen().changed(9, "Net Debit (NC)", "-115.00"))

    assert (problem.line, problem.column) == (9, "Net Debit (NC)")


def test_an_abbreviated_zone_nobody_has_explained_is_refused() -> None:
    problem = refused(adyen().changed(4, "TimeZone", "IST"))

    assert (problem.line, problem.column) == (4, "TimeZone")
    assert "PST" in problem.reason


def test_the_abbreviation_tells_the_two_hours_at_the_end_of_summer_apart() -> None:
    winter = adyen().changed(2, "Creation Date", "2026-11-01 01:30:00")
    zones = {zone: "America/Los_Angeles" for zone in ("PST", "PDT")}
    both = [winter, winter.changed(2, "TimeZone", "PDT")]
    reports = [Report(BytesIO(each.encoded()), conventions=Conventions(zones=zones)) for each in both]

    assert [next(iter(report)).occurred_at.hour for report in reports] == [9, 8]


def test_half_a_currency_conversion_is_refused() -> None:
    sample = SAMPLES["paypal_settlement"]
    problem = refused(sample.changed(8, "PayPal Reference ID", "T9"))

    assert problem.line == 7
    assert "other half" in problem.reason


def test_two_halves_in_one_direction_are_no_currency_conversion() -> None:
    problems = SAMPLES["paypal_settlement"].changed(8, "Transaction Debit or Credit", "DR").doctored()

    assert any(problem.line == 8 and "line 7" in problem.reason for problem in problems)


def test_a_payment_that_leaves_the_account_is_no_charge() -> None:
    sample = SAMPLES["paypal_settlement"].changed(9, "Transaction Event Code", "T0006")

    assert list(sample.report())[4].type == RowType.ADJUSTMENT


@pytest.mark.parametrize(
    ("format_", "column"),
    [
        ("stripe_itemized", "reporting_category"),
        ("stripe_dashboard", "Type"),
        ("adyen_settlement", "Type"),
        ("paypal_settlement", "Transaction Event Code"),
        ("sandbox", "type"),
        ("generic", "Vorgang"),
    ],
)
def test_a_word_nobody_knows_is_refused_until_somebody_says_what_it_means(format_: str, column: str) -> None:
    sample = SAMPLES[format_]
    line = sample.rows[-1].line
    strange = sample.changed(line, column, "brand_new")
    told = replace(strange.conventions, types={"brand_new": RowType.ADJUSTMENT})

    assert (refused(strange).line, refused(strange).column) == (line, column)
    assert list(Report(BytesIO(strange.encoded()), conventions=told))[-1].type == RowType.ADJUSTMENT


def test_a_mapped_date_may_come_with_its_offset() -> None:
    sample = SAMPLES["generic"].changed(2, "Buchungstag", "31.01.2026 05:00 -0500")
    assert sample.conventions.mapping is not None
    mapping = replace(sample.conventions.mapping, date_format="%d.%m.%Y %H:%M %z")
    how = replace(sample.conventions, mapping=mapping)

    assert next(iter(Report(BytesIO(sample.encoded()), conventions=how))).occurred_at == at(10)


def test_a_mapped_column_may_have_any_name() -> None:
    sample = SAMPLES["generic"]
    assert sample.conventions.mapping is not None
    mapping = replace(sample.conventions.mapping, gross="Credit or Debit")
    renamed = [["Credit or Debit" if cell == "Betrag" else cell for cell in cells] for cells in sample.lines]
    named = replace(sample, lines=renamed, conventions=replace(sample.conventions, mapping=mapping))

    assert list(named.report()) == sample.rows
    assert refused(named, sample.encoded()).column == "Credit or Debit"


def test_a_mapping_names_either_a_column_or_a_currency() -> None:
    with pytest.raises(ValueError, match="either"):
        ColumnMapping(transaction_id="a", type="b", occurred_at="c", gross="d", types={})


def test_the_reference_may_be_in_another_column() -> None:
    sample = SAMPLES["paypal_settlement"].changed(5, "Custom Field", "our own")

    rows = list(Report(BytesIO(sample.encoded()), conventions=Conventions(reference_column="Custom Field")))

    assert [row.reference for row in rows[:2]] == ["our own", ""]
    assert ORDER not in {row.reference for row in rows}
