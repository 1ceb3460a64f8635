"""Adyen's settlement detail report: real headers, made-up payments."""

from collections.abc import Sequence
from typing import Final

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.files import ORDER, Cells, Sample, header, row, table

ADYEN: Final = header(
    "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Creation Date,TimeZone,"
    "Type,Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,Net Currency,"
    "Net Debit (NC),Net Credit (NC),Commission (NC),Markup (NC),Scheme Fees (NC),Interchange (NC),"
    "Payment Method Variant,Modification Merchant Reference,Batch Number,Reserved4,Reserved5,Reserved6,"
    "Reserved7,Reserved8,Reserved9,Reserved10"
)
ADYEN_SINCE_2025: Final = [*ADYEN, "Booking Date", "Booking Date TimeZone", "Payment Fees (NC)", "Gross Fees (NC)"]


def adyen(names: Sequence[str] = ADYEN) -> Sample:
    """Both kinds of price, a fee above its payment, a refund, a chargeback, a conversion, a fee, the payout."""
    common = {"Creation Date": "2026-01-31 02:00:00", "TimeZone": "PST", "Batch Number": "7", "Net Currency": "EUR"}

    def cells(kind: str, psp: str, modification: str, **more: str) -> Cells:
        names = {"Type": kind, "Psp Reference": psp, "Modification Reference": modification}
        return {**common, **names, **{_COLUMNS[name]: text for name, text in more.items()}}

    newer = {"Payment Fees (NC)": "1.3"} if "Payment Fees (NC)" in names else {}
    blended = cells("Settled", "P1", "M1", gc="EUR", gross_credit="38.1", net_credit="37.1", commission="1")
    parts = cells("Settled", "P2", "M2", gc="EUR", gross_credit="50.00", net_credit="48.70", markup=".2", scheme=".1",
                  interchange="1.00")  # fmt: skip
    lines = table(
        names,
        [
            {**blended, "Merchant Reference": ORDER},
            {**parts, **newer},
            cells("Settled", "P3", "M3", gc="EUR", gross_credit=".11", net_debit=".14", commission=".25"),
            cells("Refunded", "P1", "M4", gc="EUR", gross_debit="10.00", net_debit="10.10", markup="0.10"),
            cells("Chargeback", "P2", "M5", gc="EUR", gross_debit="50.00", net_debit="57.50", commission="7.50"),
            cells("Settled", "P6", "M6", gc="USD", gross_credit="120.00", net_credit="100.00", commission="2.00"),
            cells("Fee", "", "Transaction fees, January", net_debit="3.06"),
            cells("MerchantPayout", "", "TX7", net_debit="115.00"),
        ],
    )
    batch = {"currency": "EUR", "payout_id": "7"}
    usd = {"charged_currency": "USD", "charged_minor": 12000}
    rows = [
        row(2, RowType.CHARGE, "Settled", "M1", 3810, 100, charge_reference="P1", reference=ORDER, **batch),
        row(3, RowType.CHARGE, "Settled", "M2", 5000, 130, charge_reference="P2", **batch),
        row(4, RowType.CHARGE, "Settled", "M3", 11, 25, charge_reference="P3", **batch),
        row(5, RowType.REFUND, "Refunded", "M4", -1000, 10, charge_reference="P1", **batch),
        row(6, RowType.DISPUTE, "Chargeback", "M5", -5000, 750, charge_reference="P2", **batch),
        row(7, RowType.CHARGE, "Settled", "M6", 10200, 200, charge_reference="P6", **batch, **usd),
        row(8, RowType.FEE, "Fee", "", -306, 0, transaction_id="Transaction fees, January", **batch),
        row(9, RowType.PAYOUT, "MerchantPayout", "", -11500, 0, transaction_id="TX7", **batch),
    ]
    return Sample("adyen_settlement", lines, rows, Conventions(zones={"PST": "America/Los_Angeles"}))


_COLUMNS: Final = {
    "gc": "Gross Currency",
    "gross_debit": "Gross Debit (GC)",
    "gross_credit": "Gross Credit (GC)",
    "net_debit": "Net Debit (NC)",
    "net_credit": "Net Credit (NC)",
    "commission": "Commission (NC)",
    "markup": "Markup (NC)",
    "scheme": "Scheme Fees (NC)",
    "interchange": "Interchange (NC)",
}
