"""The settlement report of one UTC day, and the same facts as JSON.

Money is moved by captures (`charge`), refunds that stuck, disputes and those that were won, and payouts. A day's net is
paid out two days later, one payout per currency; while the balance is negative nothing is paid out, and it is worked
off first.
"""

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO

from babel.numbers import get_currency_precision

from payments.sandbox.journal import moment
from payments.sandbox.messages import JsonObject

HEADER = ("transaction_id", "type", "reference", "created_at", "currency", "gross", "fee", "net", "status", "payout_id")

PAYOUT_DELAY = timedelta(days=2)
FEE_PER_MILLE = 29
FIXED_FEE_MINOR = 30
DISPUTE_FEE_MINOR = 1500

KINDS = {
    "capture": ("charge", "captured", 1),
    "refund": ("refund", "refunded", -1),
    "dispute": ("dispute", "disputed", -1),
    "dispute_reversal": ("dispute_reversal", "won", 1),
}
"""Type, status and sign of a movement, by its operation."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of the report. Amounts in minor units, signed; the fee is positive, net = gross - fee."""

    transaction_id: str
    type: str
    reference: str
    created_at: str
    currency: str
    gross: int
    fee: int
    status: str
    payout_id: str = ""
    charge: str | None = None

    @property
    def net(self) -> int:
        return self.gross - self.fee


def movements(db: sqlite3.Connection, day: date) -> list[Movement]:
    """Everything that moved money on this UTC day, oldest first, then the payouts."""
    paid_out = _payouts(db, until=day)
    rows = db.execute(_SELECT + " AND at >= ? AND at < ? ORDER BY at, rowid", (_start(day), _start(day + timedelta(1))))
    moved = [_movement(row) for row in rows]
    settled = [replace(m, payout_id=_payout_id(day, m.currency)) if (day, m.currency) in paid_out else m for m in moved]
    return settled + [payout for (of, _), payout in sorted(paid_out.items()) if of == day - PAYOUT_DELAY]


def as_json(movement: Movement) -> JsonObject:
    names = ("transaction_id", "type", "reference", "charge", "created_at", "currency", "gross", "fee", "net")
    return {name: getattr(movement, name) for name in (*names, "status", "payout_id")}


def as_csv(lines: Iterable[Movement]) -> str:
    """`report.csv`: major units, then one TOTAL line per currency over all of its lines."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in lines:
        writer.writerow(_cells(line))
        total = totals[line.currency]
        total[0], total[1], total[2] = total[0] + 1, total[1] + line.gross, total[2] + line.fee
    for currency, (count, gross, fee) in sorted(totals.items()):
        amounts = (_major(minor, currency) for minor in (gross, fee, gross - fee))
        writer.writerow(("TOTAL", count, "", "", currency, *amounts, "", ""))
    return text.getvalue()


_SELECT = (
    'SELECT id, operation, "order", at, currency, amount, document FROM operations'
    " WHERE operation IN ('capture', 'refund', 'dispute', 'dispute_reversal') AND status = 'succeeded'"
)


def _movement(row: sqlite3.Row) -> Movement:
    kind, status, sign = KINDS[row["operation"]]
    gross, fee = sign * row["amount"], _fee(row["operation"], row["amount"])
    return Movement(row["id"], kind, row["order"], row["at"], row["currency"], gross, fee, status, "", row["document"])


def _fee(operation: str, amount: int) -> int:
    """What the gateway keeps: 2.9 % (half a unit rounds up) and 30 units of a capture, a fixed price per dispute."""
    if operation == "capture":
        return (amount * FEE_PER_MILLE + 500) // 1000 + FIXED_FEE_MINOR
    return DISPUTE_FEE_MINOR if operation == "dispute" else 0


def _payouts(db: sqlite3.Connection, *, until: date) -> dict[tuple[date, str], Movement]:
    """Each day's payout, by the day whose net it pays and its currency, for the days up to `until`."""
    balances: dict[str, int] = defaultdict(int)
    payouts = {}
    for (day, currency), net in sorted(_daily_nets(db, until).items()):
        balances[currency] += net
        if balances[currency] > 0:
            payouts[day, currency] = _payout(day, currency, balances.pop(currency))
    return payouts


def _daily_nets(db: sqlite3.Connection, until: date) -> dict[tuple[date, str], int]:
    nets: dict[tuple[date, str], int] = defaultdict(int)
    for row in db.execute(_SELECT + " AND at < ?", (_start(until + timedelta(1)),)):
        movement = _movement(row)
        nets[date.fromisoformat(movement.created_at[:10]), movement.currency] += movement.net
    return nets


def _payout(day: date, currency: str, net: int) -> Movement:
    identity = _payout_id(day, currency)
    paid_at = _start(day + PAYOUT_DELAY)
    return Movement(identity, "payout", "", paid_at, currency, -net, 0, "paid", identity)


def _payout_id(day: date, currency: str) -> str:
    return f"spo_{day:%Y%m%d}_{currency.lower()}"


def _start(day: date) -> str:
    return moment(datetime.combine(day, time(), UTC))


def _cells(line: Movement) -> tuple[str, ...]:
    amounts = (_major(minor, line.currency) for minor in (line.gross, line.fee, line.net))
    return (
        *(line.transaction_id, line.type, line.reference, line.created_at, line.currency),
        *(*amounts, line.status, line.payout_id),
    )


def _major(minor: int, currency: str) -> str:
    return f"{Decimal(minor).scaleb(-get_currency_precision(currency)):f}"
