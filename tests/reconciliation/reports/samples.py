"""One file of each format that proves itself."""

from typing import Final

from reconciliation.reports.conventions import ColumnMapping, Conventions
from reconciliation.reports.rows import RowType
from tests.reconciliation.reports.adyen_files import adyen
from tests.reconciliation.reports.files import ORDER, Sample, header, row
from tests.reconciliation.reports.paypal_files import paypal
from tests.reconciliation.reports.stripe_files import stripe_dashboard, stripe_itemized

SANDBOX: Final = header("transaction_id,type,reference,created_at,currency,gross,fee,net,status,payout_id")
BANK: Final = ["Beleg", "Vorgang", "Buchungstag", "Betrag", "Entgelt", "Auszahlung", "Währung", "Bestellung"]


def sandbox() -> Sample:
    """Two currencies, each movement the sandbox knows, and a payout."""
    when = "2026-01-31T10:00:00.000000+00:00"
    lines = [
        list(SANDBOX),
        ["cap_1", "charge", ORDER, when, "USD", "50.00", "1.75", "48.25", "captured", "spo_1"],
        ["cap_2", "charge", "ord_2", when, "JPY", "5000", "175", "4825", "captured", ""],
        ["ref_1", "refund", ORDER, when, "USD", "-20.00", "0.00", "-20.00", "refunded", "spo_1"],
        ["dp_1", "dispute", ORDER, when, "USD", "-30.00", "15.00", "-45.00", "disputed", "spo_1"],
        ["dpr_1", "dispute_reversal", ORDER, when, "USD", "30.00", "0.00", "30.00", "won", ""],
        ["spo_1", "payout", "", when, "USD", "-13.25", "0.00", "-13.25", "paid", "spo_1"],
        ["TOTAL", "1", "", "", "JPY", "5000", "175", "4825", "", ""],
        ["TOTAL", "5", "", "", "USD", "16.75", "16.75", "0.00", "", ""],
    ]
    order, batch = {"reference": ORDER}, {"payout_id": "spo_1"}
    rows = [
        row(2, RowType.CHARGE, "charge", "cap_1", 5000, 175, **order, **batch),
        row(3, RowType.CHARGE, "charge", "cap_2", 5000, 175, reference="ord_2", currency="JPY"),
        row(4, RowType.REFUND, "refund", "ref_1", -2000, 0, **order, **batch),
        row(5, RowType.DISPUTE, "dispute", "dp_1", -3000, 1500, **order, **batch),
        row(6, RowType.DISPUTE_REVERSAL, "dispute_reversal", "dpr_1", 3000, 0, **order),
        row(7, RowType.PAYOUT, "payout", "spo_1", -1325, 0, **batch),
    ]
    return Sample("sandbox", lines, rows)


def generic() -> Sample:
    """A file of some bank in German, with its own words, commas and dots."""
    mapping = ColumnMapping(
        transaction_id="Beleg",
        type="Vorgang",
        occurred_at="Buchungstag",
        gross="Betrag",
        fee="Entgelt",
        net="Auszahlung",
        currency="Währung",
        reference="Bestellung",
        types={"Zahlung": RowType.CHARGE, "Gutschrift": RowType.REFUND},
        date_format="%d.%m.%Y %H:%M",
    )
    lines = [
        list(BANK),
        ["B1", "Zahlung", "31.01.2026 11:00", "1.234,50", "12,35", "1.222,15", "EUR", ORDER],
        ["B2", "ZAHLUNG", "31.01.2026 11:00", "10", "", "10,00", "EUR", "ord_2"],
        ["B3", "Gutschrift", "31.01.2026 11:00", "-34,5", "0", "-34,50", "EUR", ORDER],
    ]
    rows = [
        row(2, RowType.CHARGE, "Zahlung", "B1", 123450, 1235, currency="EUR", reference=ORDER),
        row(3, RowType.CHARGE, "ZAHLUNG", "B2", 1000, 0, currency="EUR", reference="ord_2"),
        row(4, RowType.REFUND, "Gutschrift", "B3", -3450, 0, currency="EUR", reference=ORDER),
    ]
    how = Conventions(zone="Europe/Berlin", decimal=",", grouping=".", mapping=mapping)
    return Sample("generic", lines, rows, how)


SAMPLES: Final = {
    sample.format: sample for sample in (stripe_itemized(), stripe_dashboard(), adyen(), paypal(), sandbox(), generic())
}
