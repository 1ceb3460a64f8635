"""Stripe's itemized reports, and "All transactions" as its dashboard exports them.

Sources: https://docs.stripe.com/reports/report-types and https://docs.stripe.com/reports/reporting-categories
"""

from typing import ClassVar, Final

from reconciliation.reports.formats.base import Columnar
from reconciliation.reports.records import Record
from reconciliation.reports.rows import Row, RowType

ORDER: Final = "payment_metadata[paydesk_order]"
"""Paydesk puts the order's id into the metadata of every payment."""

CATEGORIES: Final = {
    "charge": RowType.CHARGE,
    "partial_capture_reversal": RowType.CHARGE,  # what was not captured of the authorization that the charge row shows
    "charge_failure": RowType.CHARGE,
    "refund": RowType.REFUND,
    "refund_failure": RowType.REFUND_REVERSAL,
    "dispute": RowType.DISPUTE,
    "dispute_reversal": RowType.DISPUTE_REVERSAL,
    "fee": RowType.FEE,
    "network_cost": RowType.FEE,
    "tax": RowType.FEE,
    "payout": RowType.PAYOUT,
    "payout_reversal": RowType.PAYOUT,
    "payout_minimum_balance_hold": RowType.ADJUSTMENT,
    "payout_minimum_balance_release": RowType.ADJUSTMENT,
    **dict.fromkeys(
        (
            *("advance", "advance_funding", "anticipation_repayment", "climate_order_purchase", "climate_order_refund"),
            *("connect_collection_transfer", "connect_reserved_funds", "contribution", "financing_paydown"),
            *(
                "financing_paydown_reversal",
                "financing_payout",
                "financing_payout_reversal",
                "issuing_authorization_hold",
            ),
            *("issuing_authorization_release", "issuing_dispute", "issuing_transaction", "obligation"),
            *("other_adjustment", "platform_earning", "platform_earning_refund", "risk_reserved_funds", "topup"),
            *("topup_reversal", "transfer", "transfer_reversal", "unreconciled_customer_funds"),
        ),
        RowType.ADJUSTMENT,
    ),
}
TYPES: Final = {
    "charge": RowType.CHARGE,
    "payment": RowType.CHARGE,
    "payment_failure_refund": RowType.CHARGE,
    "refund": RowType.REFUND,
    "payment_refund": RowType.REFUND,
    "refund_failure": RowType.REFUND_REVERSAL,
    "stripe_fee": RowType.FEE,
    "stripe_fx_fee": RowType.FEE,
    "tax_fee": RowType.FEE,
    "network_cost": RowType.FEE,
    "payout": RowType.PAYOUT,
    "payout_cancel": RowType.PAYOUT,
    "payout_failure": RowType.PAYOUT,
    **dict.fromkeys(
        (
            *("adjustment", "advance", "advance_funding", "anticipation_repayment", "application_fee"),
            *("application_fee_refund", "connect_collection_transfer", "contribution", "obligation_inbound"),
            *(
                "obligation_outbound",
                "obligation_reversal_inbound",
                "obligation_reversal_outbound",
                "payment_unreconciled",
            ),
            *("reserve_transaction", "reserved_funds", "topup", "topup_reversal", "transfer", "transfer_cancel"),
            *("transfer_failure", "transfer_refund"),
        ),
        RowType.ADJUSTMENT,
    ),
}
_DISPUTES: Final = ("dp_", "du_")
_NAMED: Final = frozenset({RowType.CHARGE, RowType.REFUND, RowType.REFUND_REVERSAL, RowType.DISPUTE})


class StripeItemized(Columnar):
    """`balance_change_from_activity.itemized.*` and `payout_reconciliation.itemized.*`: the user chose the columns."""

    name = "stripe_itemized"
    title = "Stripe, itemized balance change or payout reconciliation"
    required: ClassVar[tuple[str, ...]] = (
        *("balance_transaction_id", "reporting_category", "source_id"),
        *("currency", "gross", "fee", "net"),
    )
    one_of: ClassVar[tuple[str, ...]] = ("created_utc", "created")

    def row(self, record: Record) -> Row:
        type_ = record.type("reporting_category", CATEGORIES)
        currency = record.currency("currency")
        gross, fee, net = (record.amount(name, currency) for name in ("gross", "fee", "net"))
        record.expect_net("net", net, gross=gross, fee=fee, currency=currency)
        charged_currency, charged = record.charged(
            "customer_facing_amount", "customer_facing_currency", currency=currency, gross=gross
        )
        # Costs of the card networks have no object they come from.
        source = record.text("source_id", is_required=type_ in _NAMED)
        is_utc = record.has("created_utc")
        return Row(
            line=record.line,
            type=type_,
            native_type=record.text("reporting_category"),
            transaction_id=source or record.text("balance_transaction_id"),
            entry_id=record.text("balance_transaction_id", is_required=True),
            reference=record.text(self.conventions.reference_column or ORDER),
            charge_reference=record.text("charge_id") or (source if type_ == RowType.CHARGE else ""),
            payout_id=record.text("automatic_payout_id") or (source if type_ == RowType.PAYOUT else ""),
            occurred_at=record.moment(
                "created_utc" if is_utc else "created", zone="UTC" if is_utc else self.conventions.zone
            ),
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=net,
            charged_currency=charged_currency,
            charged_minor=charged,
        )

    def finish(self, last: int) -> None:
        self.checks.append("net = gross - fee in every row; Stripe's file has no totals of its own")


class StripeDashboard(Columnar):
    """Minutes, not seconds; a dispute is an adjustment whose source is a dispute."""

    name = "stripe_dashboard"
    title = 'Stripe dashboard, "All transactions"'
    required: ClassVar[tuple[str, ...]] = ("id", "Type", "Source", "Amount", "Fee", "Net", "Currency", "Created (UTC)")

    def row(self, record: Record) -> Row:
        currency = record.currency("Currency")
        gross, fee, net = (record.amount(name, currency) for name in ("Amount", "Fee", "Net"))
        record.expect_net("Net", net, gross=gross, fee=fee, currency=currency)
        charged_currency, charged = record.charged(
            "Customer Facing Amount", "Customer Facing Currency", currency=currency, gross=gross
        )
        type_ = self._type(record, gross)
        source = record.text("Source", is_required=type_ in _NAMED)
        return Row(
            line=record.line,
            type=type_,
            native_type=record.text("Type"),
            transaction_id=source or record.text("id"),
            entry_id=record.text("id", is_required=True),
            reference=record.text(self.conventions.reference_column) if self.conventions.reference_column else "",
            charge_reference=source if type_ == RowType.CHARGE else "",
            payout_id=record.text("Transfer") or (source if type_ == RowType.PAYOUT else ""),
            occurred_at=record.moment("Created (UTC)", zone="UTC"),
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=net,
            charged_currency=charged_currency,
            charged_minor=charged,
        )

    def finish(self, last: int) -> None:
        self.checks.append("Net = Amount - Fee in every row; Stripe's file has no totals of its own")

    @staticmethod
    def _type(record: Record, gross: int) -> RowType:
        if record.text("Type") == "adjustment" and record.text("Source").startswith(_DISPUTES):
            return RowType.DISPUTE if gross < 0 else RowType.DISPUTE_REVERSAL
        return record.type("Type", TYPES)
