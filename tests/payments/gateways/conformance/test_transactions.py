"""The movements of a day, which reconciliation holds against the ledger."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest

from payments.errors import InvalidRequestError
from payments.gateways.base import Operation, Outcome, PaymentGateway
from reconciliation.reports.reading import Report
from reconciliation.reports.rows import RowType
from tests.payments.gateways.conformance.payment import Payment
from tests.payments.gateways.conformance.sandbox import OnSandbox
from tests.payments.gateways.conformance.subject import Subject
from tests.payments.gateways.conformance.subjects import with_a, with_reports, without


def _since(day: date, adapter: PaymentGateway) -> list[Outcome]:
    """What is listed for that day and, should midnight have passed, the next."""
    days = sorted({day, datetime.now(UTC).date()})
    return [each for one in days for each in adapter.list_transactions(one)]


@with_a("transactions")
def test_the_movements_of_today_are_listed_under_their_own_names(payment: Payment) -> None:
    today = datetime.now(UTC).date()
    payment.authorize()
    captured, refunded = payment.capture(), payment.refund(20_00)

    listed = {
        (each.operation, each.transaction_id): (each.amount_minor, each.currency)
        for each in _since(today, payment.adapter)
    }

    assert listed[Operation.CAPTURE, captured.transaction_id] == (50_00, "USD")
    assert listed[Operation.REFUND, refunded.transaction_id] == (20_00, "USD")


@with_a("transactions")
def test_each_movement_is_listed_once_however_many_there_are(adapter: PaymentGateway, payment: Payment) -> None:
    today = datetime.now(UTC).date()
    payment.authorize()
    payment.capture()
    refunds = [payment.refund(1_00, number=number).transaction_id for number in range(1, 13)]

    listed = [each.transaction_id for each in _since(today, adapter)]

    assert [listed.count(each) for each in refunds] == [1] * 12


@with_a("transactions")
def test_what_moved_nothing_is_not_listed(payment: Payment) -> None:
    today = datetime.now(UTC).date()
    authorized = payment.authorize()
    payment.void()

    assert authorized.transaction_id not in {each.transaction_id for each in _since(today, payment.adapter)}


@with_a("transactions")
def test_a_day_on_which_nothing_moved_is_empty(adapter: PaymentGateway, payment: Payment) -> None:
    payment.authorize()
    payment.capture()

    assert adapter.list_transactions(datetime.now(UTC).date() - timedelta(days=1)) == []


@with_reports()
def test_its_report_has_each_movement_under_the_name_by_which_it_is_booked(subject: Subject, payment: Payment) -> None:
    assert isinstance(subject, OnSandbox)
    today = datetime.now(UTC).date()
    payment.authorize()
    captured, refunded = payment.capture(), payment.refund(20_00)
    days = sorted({today, datetime.now(UTC).date()})

    rows = [row for day in days for row in Report(BytesIO(subject.report(day)))]

    moved = {row.transaction_id: (row.type, row.gross_minor, row.currency) for row in rows}
    assert moved[captured.transaction_id] == (RowType.CHARGE, 50_00, "USD")
    assert moved[refunded.transaction_id] == (RowType.REFUND, -20_00, "USD")


@without("transactions")
def test_a_peer_without_transactions_is_not_taken_for_one_where_nothing_moved(payment: Payment) -> None:
    payment.authorize()
    payment.capture()

    with pytest.raises(InvalidRequestError):
        payment.adapter.list_transactions(datetime.now(UTC).date())
