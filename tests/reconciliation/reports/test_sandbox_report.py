"""The sandbox's own report, of a running sandbox, reads back as the facts it told of."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from payments.sandbox.report import Movement, as_csv
from reconciliation.reports.reading import Report, prove
from reconciliation.reports.rows import Row, RowType
from tests.payments.sandbox.shop import Shop
from tests.reconciliation.reports.files import at
from tests.sandbox import Sandbox


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Sandbox(tmp_path / "journal.sqlite3") as sandbox:
        yield Shop(sandbox, order="ord_1")


def test_what_a_running_sandbox_reports_is_what_it_says_it_did(shop: Shop) -> None:
    charge = shop.captured(amount=5000)
    shop.captured(amount=700, currency="JPY")
    shop.captured(amount=12_345, currency="KWD")
    assert shop.refund(charge, amount=2000).status == 200
    day = datetime.now(UTC).date().isoformat()

    rows = list(Report(BytesIO(shop.sandbox.get("/report.csv", date=day).data)))

    told = shop.sandbox.get("/v1/transactions", date=day).json()["transactions"]
    assert [facts(row) for row in rows] == told_facts(told)
    assert [row.type for row in rows] == [RowType.CHARGE, RowType.CHARGE, RowType.CHARGE, RowType.REFUND]


def test_every_kind_of_movement_reads_back_exactly() -> None:
    moved = [
        Movement("cap_1", "charge", "ord_1", at(10).isoformat(), "USD", 5000, 175, "captured", "spo_1"),
        Movement("dp_1", "dispute", "ord_1", at(10).isoformat(), "USD", -5000, 1500, "disputed"),
        Movement("dpr_1", "dispute_reversal", "ord_1", at(10).isoformat(), "USD", 5000, 0, "won"),
        Movement("cap_2", "charge", "ord_2", at(10).isoformat(), "KWD", 1001, 59, "captured"),
        Movement("spo_1", "payout", "", at(10).isoformat(), "USD", -4825, 0, "paid", "spo_1"),
    ]

    rows = list(Report(BytesIO(as_csv(moved).encode())))

    assert [(row.transaction_id, row.type, row.gross_minor, row.fee_minor, row.net_minor) for row in rows] == [
        (each.transaction_id, each.type, each.gross, each.fee, each.net) for each in moved
    ]
    assert {row.occurred_at for row in rows} == {at(10)}


def test_a_day_without_movements_is_a_report_without_rows() -> None:
    proof = prove(BytesIO(as_csv([]).encode()))

    assert (proof.rows, proof.is_complete) == (0, True)


def test_a_proof_says_when_the_first_and_the_last_row_happened() -> None:
    moved = [
        Movement(f"cap_{hour}", "charge", "", (at(10) + timedelta(hours=hour)).isoformat(), "USD", 1, 0, "captured")
        for hour in (2, 0, 1)
    ]
    proof = prove(BytesIO(as_csv(moved).encode()))

    assert (proof.first_at, proof.last_at) == (at(10), at(12))
    assert proof.checks == ("TOTAL USD: 3 rows, net 0.03 USD",)


def facts(row: Row) -> dict[str, Any]:
    names = {"transaction_id": row.transaction_id, "type": row.type.value, "reference": row.reference}
    amounts = {"gross": row.gross_minor, "fee": row.fee_minor, "net": row.net_minor}
    at = row.occurred_at.isoformat(timespec="microseconds")
    return {**names, **amounts, "created_at": at, "currency": row.currency, "payout_id": row.payout_id}


def told_facts(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if name not in {"charge", "status"}} for each in told]
