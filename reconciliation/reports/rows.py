from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RowType(StrEnum):
    """What a row means for the money, in the words of no gateway in particular."""

    CHARGE = "charge"
    """A capture. What takes part of it back in the same report (Stripe's partial capture) is a negative one."""
    REFUND = "refund"
    REFUND_REVERSAL = "refund_reversal"
    """A refund that came back to us."""
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    """What the gateway takes or gives back beside any single movement."""
    PAYOUT = "payout"
    """To our bank, or back from it. It moves what the other rows have earned, so no sum of them contains it."""
    CONVERSION = "conversion"
    """One side of an exchange of currencies within the account."""
    ADJUSTMENT = "adjustment"
    """Moves the balance, and is by the gateway's own word none of the above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One movement on the account. Amounts in minor units, positive when the account gains; net = gross - fee."""

    line: int
    """Where it begins in the file."""
    type: RowType
    native_type: str
    """The gateway's own word for it."""
    transaction_id: str
    """The gateway's name for the movement, as its API and webhooks use it; empty if it has none."""
    entry_id: str
    """The report's name for this row, which may be another one (Stripe's `txn_…`): unique with type and currency.
    Empty where the report has none."""
    reference: str = ""
    """Ours: the order."""
    charge_reference: str = ""
    """The gateway's name for the payment it belongs to."""
    payout_id: str = ""
    occurred_at: datetime
    """Aware, UTC."""
    currency: str
    """Of gross, fee and net: the one the account is settled in."""
    gross_minor: int
    fee_minor: int
    """Positive when the gateway keeps it."""
    net_minor: int
    charged_currency: str
    """Of what the customer paid or got; the same as `currency` unless the gateway converted it."""
    charged_minor: int
