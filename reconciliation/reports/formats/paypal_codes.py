"""PayPal's transaction event codes. The group alone is enough for most of them.

Source: https://developer.paypal.com/docs/reports/reference/tcodes/
"""

from collections.abc import Mapping
from typing import Final

from reconciliation.reports.rows import RowType

CODES: Final = {
    "T1106": RowType.DISPUTE,  # the payment reversed by PayPal, at the end of a chargeback
    "T1107": RowType.REFUND,
    "T1108": RowType.FEE,
    "T1109": RowType.FEE,
    "T1201": RowType.DISPUTE,
    "T1202": RowType.DISPUTE_REVERSAL,
}
GROUPS: Final = {
    "T00": RowType.CHARGE,
    "T01": RowType.FEE,
    "T02": RowType.CONVERSION,
    "T04": RowType.PAYOUT,
    **dict.fromkeys((f"T{group:02}" for group in (3, *range(5, 23))), RowType.ADJUSTMENT),
}


def type_of(code: str, gross_minor: int, known: Mapping[str, RowType]) -> RowType:
    """A payment that leaves the account is not one of ours. Raise ValueError for a code of no known group."""
    type_ = known.get(code) or CODES.get(code) or (GROUPS.get(code[:3]) if len(code) == 5 else None)
    if type_ is None:
        raise ValueError(f"{code!r} is not a transaction event code known here")
    return RowType.ADJUSTMENT if type_ == RowType.CHARGE and gross_minor < 0 else type_
