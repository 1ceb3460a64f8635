import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from tests.payments.sandbox.shop import Shop, wait_until

FIRST_DAY = date(2026, 3, 2)
HEADER = ["transaction_id", "type", "reference", "created_at", "currency", "gross", "fee", "net", "status", "payout_id"]


def report(shop: Shop, day: date) -> list[list[str]]:
    answer = shop.sandbox.get("/report.csv", date=day.isoformat())
    assert answer.status == 200, answer.data
    header, *lines = csv.reader(StringIO(answer.data.decode()))
    assert header == HEADER
    return lines


def write(shop: Shop, *charges: dict[str, Any]) -> None:
    answer = shop.sandbox.post("/history", {"charges": list(charges)})
    assert answer.status == 201, answer.data


def past(outcome: str, *, day: date = FIRST_DAY, amount: int = 10000, **fields: Any) -> dict[str, Any]:
    return {
        "order": f"ord_{outcome}",
        "amount": amount,
        "currency": "USD",
        "created_at": f"{day.isoformat()}T10:00:00+00:00",
        "outcome": outcome,
        **fields,
    }


def columns(lines: Iterable[list[str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(line[HEADER.index(name)] for name in names) for line in lines]


def test_the_report_has_one_line_per_movement_and_proves_its_totals(own_shop: Shop) -> None:
    write(own_shop, past("captured"), past("refunded", amount_refunded=2500), past("disputed"), past("voided"))

    *lines, total = report(own_shop, FIRST_DAY)

    assert columns(lines, "type", "reference", "gross", "fee", "net", "status") == [
        ("charge", "ord_captured", "100.00", "3.20", "96.80", "captured"),
        ("charge", "ord_refunded", "100.00", "3.20", "96.80", "captured"),
        ("refund", "ord_refunded", "-25.00", "0.00", "-25.00", "refunded"),
        ("charge", "ord_disputed", "100.00", "3.20", "96.80", "captured"),
        ("dispute", "ord_disputed", "-100.00", "15.00", "-115.00", "disputed"),
    ]
    assert total == ["TOTAL", "5", "", "", "USD", "175.00", "24.60", "150.40", "", ""]


def test_transaction_ids_are_those_the_caller_was_given(own_shop: Shop) -> None:
    charge = own_shop.authorized()
    operation = own_shop.capture(charge).json()["operation"]

    (line, _) = report(own_shop, datetime.now(UTC).date())

    assert columns([line], "transaction_id", "reference", "created_at") == [
        (operation["id"], own_shop.order, operation["at"])
    ]


@pytest.mark.parametrize(("currency", "gross"), [("JPY", "12345"), ("USD", "123.45"), ("BHD", "12.345")])
def test_amounts_are_in_major_units_with_the_currencys_digits(shop: Shop, currency: str, gross: str) -> None:
    day = FIRST_DAY - timedelta(days=300)
    write(shop, past("captured", day=day, amount=12345, currency=currency))

    lines = [line for line in report(shop, day) if line[4] == currency]

    assert columns(lines, "gross") == [(gross,)] * 2


def test_each_currency_has_its_own_total(own_shop: Shop) -> None:
    write(own_shop, past("captured"), past("captured", currency="EUR"))

    totals = [line for line in report(own_shop, FIRST_DAY) if line[0] == "TOTAL"]

    assert columns(totals, "currency", "gross") == [("EUR", "100.00"), ("USD", "100.00")]


def test_a_days_net_is_paid_out_two_days_later(own_shop: Shop) -> None:
    write(own_shop, past("captured"), past("captured", day=FIRST_DAY + timedelta(2)))

    first, _ = report(own_shop, FIRST_DAY)
    charge, payout, total = report(own_shop, FIRST_DAY + timedelta(2))

    payout_id = columns([first], "payout_id")[0][0]
    assert columns([payout], "transaction_id", "type", "gross", "net", "status", "payout_id") == [
        (payout_id, "payout", "-96.80", "-96.80", "paid", payout_id)
    ]
    assert columns([payout], "created_at") == [("2026-03-04T00:00:00.000000+00:00",)]
    assert columns([charge], "payout_id")[0][0] not in ("", payout_id)
    assert total[7] == "0.00"


def test_a_negative_balance_is_worked_off_before_the_next_payout(own_shop: Shop) -> None:
    later = f"{FIRST_DAY + timedelta(1)}T10:00:00+00:00"
    write(
        own_shop,
        past("refunded", refunded_at=later),
        past("captured", day=FIRST_DAY + timedelta(2)),
        past("captured", day=FIRST_DAY + timedelta(3)),
    )

    lines = [line for day in range(2, 6) for line in report(own_shop, FIRST_DAY + timedelta(day))]

    # 96.80 come in; then 100.00 go back; of the next 96.80 nothing is left; then 96.80 less the missing 3.20.
    assert [line[5] for line in lines if line[1] == "payout"] == ["-96.80", "-93.60"]


def test_a_day_on_which_nothing_moved_has_only_its_header(own_shop: Shop) -> None:
    assert report(own_shop, FIRST_DAY) == []


def test_a_refund_that_failed_is_not_in_the_report(own_shop: Shop) -> None:
    charge = own_shop.captured()
    own_shop.sandbox.fault("fail_refund_later", seconds=0.05)
    own_shop.refund(charge)

    wait_until(lambda: own_shop.charge(charge)["amount_refunded"] == 0)

    assert columns(report(own_shop, datetime.now(UTC).date())[:-1], "type") == [("charge",)]


def test_the_day_is_the_utc_day_its_end_excluded(own_shop: Shop) -> None:
    times = ("2026-03-01T23:59:59.999999+00:00", "2026-03-02T01:00:00+02:00", "2026-03-02T00:00:00+00:00")
    write(own_shop, *(past("captured", created_at=at, order=at) for at in times))

    assert len([line for line in report(own_shop, date(2026, 3, 1)) if line[1] == "charge"]) == 2
    assert len([line for line in report(own_shop, FIRST_DAY) if line[1] == "charge"]) == 1


def test_the_transactions_are_the_same_facts_in_minor_units(own_shop: Shop) -> None:
    write(own_shop, past("refunded"))

    listed = own_shop.sandbox.get("/v1/transactions", date=FIRST_DAY.isoformat()).json()["transactions"]

    lines = report(own_shop, FIRST_DAY)[:-1]
    assert [(t["transaction_id"], t["type"], t["status"], t["payout_id"]) for t in listed] == columns(
        lines, "transaction_id", "type", "status", "payout_id"
    )
    assert [(t["gross"], t["fee"], t["net"]) for t in listed] == [(10000, 320, 9680), (-10000, 0, -10000)]
    assert {t["charge"][:4] for t in listed} == {"sch_"}


@pytest.mark.parametrize("path", ["/report.csv", "/v1/transactions"])
@pytest.mark.parametrize("day", ["", "yesterday", "2026-02-30", "2026-3", "20260302"])
def test_a_date_that_is_none_is_refused(shop: Shop, path: str, day: str) -> None:
    answer = shop.sandbox.get(path, date=day)

    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_date")
