"""Stripe's files: real headers, made-up payments."""

from typing import Final

from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.files import ORDER, Cells, Sample, header, row, table

ITEMIZED: Final = header(
    "automatic_payout_id,automatic_payout_effective_at,balance_transaction_id,created_utc,created,"
    "available_on_utc,available_on,currency,gross,fee,net,reporting_category,source_id,description,"
    "customer_facing_amount,customer_facing_currency,regulatory_tag,charge_id,payment_intent_id,"
    "payment_metadata[paydesk_order]"
)
DASHBOARD: Final = header(
    "id,Type,Source,Amount,Fee,Destination Platform Fee,Destination Platform Fee Currency,Net,Currency,"
    "Created (UTC),Available On (UTC),Description,Customer Facing Amount,Customer Facing Currency,Transfer,"
    "Transfer Date (UTC),Transfer Group"
)


def stripe_itemized() -> Sample:
    """A charge, a partial capture in two rows, a refund, a converted charge, a dispute, a network cost, a payout."""
    common = {"created_utc": "2026-01-31 10:00:00", "created": "2026-01-31 02:00:00", "currency": "usd"}

    def cells(entry: str, kind: str, source: str, gross: str, fee: str, net: str, **more: str) -> Cells:
        amounts = {"gross": gross, "fee": fee, "net": net}
        names = {"balance_transaction_id": entry, "reporting_category": kind, "source_id": source}
        return {**common, **names, **amounts, **more}

    order = {"payment_metadata[paydesk_order]": ORDER, "charge_id": "ch_1", "automatic_payout_id": "po_1"}
    facing = {"customer_facing_amount": "46.00", "customer_facing_currency": "eur", "charge_id": "ch_3"}
    lines = table(
        ITEMIZED,
        [
            cells("txn_1", "charge", "ch_1", "100.00", "3.20", "96.80", **order),
            cells("txn_2", "charge", "ch_2", "80.00", "1.00", "79.00", charge_id="ch_2"),
            cells("txn_3", "partial_capture_reversal", "ch_2", "-30.00", "0.00", "-30.00", charge_id="ch_2"),
            cells("txn_4", "refund", "re_1", "-20.00", "0", "-20.00", charge_id="ch_1"),
            cells("txn_5", "charge", "ch_3", "50.00", "1.75", "48.25", **facing),
            cells("txn_6", "dispute", "dp_1", "-100.00", "15.00", "-115.00", charge_id="ch_1"),
            cells("txn_7", "fee", "", "-0.35", "0.00", "-0.35", description='Card network costs, "January"'),
            cells("txn_8", "payout", "po_1", "-58.70", "0.00", "-58.70"),
        ],
    )
    named = {"transaction_id": "ch_1", "charge_reference": "ch_1", "reference": ORDER, "payout_id": "po_1"}
    second = {"transaction_id": "ch_2", "charge_reference": "ch_2"}
    third = {"transaction_id": "ch_3", "charge_reference": "ch_3", "charged_currency": "EUR", "charged_minor": 4600}
    rows = [
        row(2, RowType.CHARGE, "charge", "txn_1", 10000, 320, **named),
        row(3, RowType.CHARGE, "charge", "txn_2", 8000, 100, **second),
        row(4, RowType.CHARGE, "partial_capture_reversal", "txn_3", -3000, 0, **second),
        row(5, RowType.REFUND, "refund", "txn_4", -2000, 0, transaction_id="re_1", charge_reference="ch_1"),
        row(6, RowType.CHARGE, "charge", "txn_5", 5000, 175, **third),
        row(7, RowType.DISPUTE, "dispute", "txn_6", -10000, 1500, transaction_id="dp_1", charge_reference="ch_1"),
        row(8, RowType.FEE, "fee", "txn_7", -35, 0),
        row(9, RowType.PAYOUT, "payout", "txn_8", -5870, 0, transaction_id="po_1", payout_id="po_1"),
    ]
    return Sample("stripe_itemized", lines, rows)


def stripe_dashboard() -> Sample:
    """Charges in three currencies, a dispute lost and one won, Stripe's fee, a payout."""

    def cells(entry: str, kind: str, source: str, money: str, currency: str = "usd", **more: str) -> Cells:
        amount, fee, net = money.split()
        common = {"id": entry, "Type": kind, "Source": source, "Created (UTC)": "2026-01-31 10:00"}
        return {**common, "Amount": amount, "Fee": fee, "Net": net, "Currency": currency, **more}

    lines = table(
        DASHBOARD,
        [
            cells("txn_1", "charge", "ch_1", "100.00 3.20 96.80", Transfer="po_1"),
            cells("txn_2", "charge", "ch_2", "5000 180 4820", "jpy"),
            cells("txn_3", "charge", "ch_3", "1.005 0.030 0.975", "kwd"),
            cells("txn_4", "adjustment", "dp_1", "-100.00 15.00 -115.00", Description="Café"),
            cells("txn_5", "adjustment", "du_1", "100.00 -15.00 115.00"),
            cells("txn_6", "stripe_fee", "", "-2.00 0.00 -2.00"),
            cells("txn_7", "payout", "po_1", "-94.80 0.00 -94.80"),
        ],
    )
    rows = [
        row(2, RowType.CHARGE, "charge", "txn_1", 10000, 320, **charge("ch_1"), payout_id="po_1"),
        row(3, RowType.CHARGE, "charge", "txn_2", 5000, 180, **charge("ch_2"), currency="JPY"),
        row(4, RowType.CHARGE, "charge", "txn_3", 1005, 30, **charge("ch_3"), currency="KWD"),
        row(5, RowType.DISPUTE, "adjustment", "txn_4", -10000, 1500, transaction_id="dp_1"),
        row(6, RowType.DISPUTE_REVERSAL, "adjustment", "txn_5", 10000, -1500, transaction_id="du_1"),
        row(7, RowType.FEE, "stripe_fee", "txn_6", -200, 0),
        row(8, RowType.PAYOUT, "payout", "txn_7", -9480, 0, transaction_id="po_1", payout_id="po_1"),
    ]
    return Sample("stripe_dashboard", lines, rows)


def charge(name: str) -> dict[str, str]:
    return {"transaction_id": name, "charge_reference": name}
