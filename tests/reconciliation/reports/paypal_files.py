"""PayPal's settlement report: real columns, made-up payments."""

from typing import Final

from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.files import ORDER, Sample, header, row

PAYPAL: Final = header(
    "CH,Transaction ID,Invoice ID,PayPal Reference ID,PayPal Reference ID Type,Transaction Event Code,"
    "Transaction Initiation Date,Transaction Completion Date,Transaction Debit or Credit,"
    "Gross Transaction Amount,Gross Transaction Currency,Fee Debit or Credit,Fee Amount,Fee Currency,"
    "Custom Field,Consumer ID,Payment Tracking ID,Store ID"
)


def paypal() -> Sample:
    """A payment, one in yen, a conversion, a refund, a fee, a withdrawal: one section with three currencies."""

    def cells(entry: str, code: str, side: str, money: str, fee: str = "", **more: str) -> list[str]:
        amount, currency = money.split()
        when = "2026/01/31 02:00:00 -0800"
        facts = {
            "CH": "SB",
            "Transaction ID": entry,
            "Transaction Event Code": code,
            "Transaction Initiation Date": when,
            "Transaction Completion Date": when,
            "Transaction Debit or Credit": side,
            "Gross Transaction Amount": amount,
            "Gross Transaction Currency": currency,
            **({"Fee Debit or Credit": "DR", "Fee Amount": fee, "Fee Currency": currency} if fee else {}),
        }
        return [
            {**facts, **{_PAYPAL_COLUMNS[key]: text for key, text in more.items()}}.get(name, "") for name in PAYPAL
        ]

    lines = [
        ["RH", "2026/02/01 01:00:00 -0800", "A", "ACCOUNT", "009"],
        ["FH", "01"],
        ["SH", "2026/01/31 00:00:00 -0800", "2026/01/31 23:59:59 -0800", "ACCOUNT", ""],
        list(PAYPAL),
        cells("T1", "T0006", "CR", "10000 USD", "320", invoice=ORDER),
        cells("T2", "T0006", "CR", "5000 JPY", "180", invoice="ord_2"),
        cells("T3", "T0200", "DR", "4820 JPY", reference="T2", kind="TXN"),
        cells("T4", "T0200", "CR", "3100 USD", reference="T2", kind="TXN"),
        cells("T5", "T1107", "DR", "2000 USD", reference="T1", kind="TXN"),
        cells("T6", "T0100", "DR", "35 USD"),
        cells("T7", "T0400", "DR", "9000 USD"),
        ["SF", "USD", "13100", "11035", "0", "320", "CR", "0", "CR", "1745"],
        ["SF", "JPY", "5000", "4820", "0", "180", "CR", "0", "CR", "0"],
        ["SC", "7"],
        ["RF", "USD", "13100", "11035", "0", "320", "CR", "0", "CR", "1745"],
        ["RF", "JPY", "5000", "4820", "0", "180", "CR", "0", "CR", "0"],
        ["RC", "7"],
        ["FF", "1"],
    ]
    rows = [
        row(5, RowType.CHARGE, "T0006", "T1", 10000, 320, reference=ORDER, charge_reference="T1"),
        row(6, RowType.CHARGE, "T0006", "T2", 5000, 180, reference="ord_2", charge_reference="T2", currency="JPY"),
        row(7, RowType.CONVERSION, "T0200", "T3", -4820, 0, charge_reference="T2", currency="JPY"),
        row(8, RowType.CONVERSION, "T0200", "T4", 3100, 0, charge_reference="T2"),
        row(9, RowType.REFUND, "T1107", "T5", -2000, 0, charge_reference="T1"),
        row(10, RowType.FEE, "T0100", "T6", -35, 0),
        row(11, RowType.PAYOUT, "T0400", "T7", -9000, 0),
    ]
    return Sample("paypal_settlement", lines, rows)


_PAYPAL_COLUMNS: Final = {
    "invoice": "Invoice ID",
    "reference": "PayPal Reference ID",
    "kind": "PayPal Reference ID Type",
}
