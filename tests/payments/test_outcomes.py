"""However often a gateway's word arrives, and over whichever way, it becomes one fact; contradictions are remedied."""

from dataclasses import replace

import pytest

from payments.errors import UnexpectedOutcomeError
from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution
from payments.outcomes import note_declined, note_unknown, record_outcome
from tests.orders.builders import make_order
from tests.payments.builders import begin_checkout

pytestmark = pytest.mark.django_db

Status = ChargeAttempt.Status
WEBHOOK = GatewayOutcome.Source.WEBHOOK


def make_charge(status: str = "pending", **fields: int) -> ChargeAttempt:
    order = make_order()
    saga = begin_checkout(order)
    return ChargeAttempt.objects.create(
        order=order,
        saga=saga,
        gateway="sandbox",
        gateway_reference=f"sch_{saga.public_id}",
        payment_method="tok_visa",
        amount_minor=order.amount_minor,
        currency=order.currency,
        status=status,
        **fields,
    )


def outcome_of(charge: ChargeAttempt, operation: Operation, **fields: object) -> Outcome:
    said = Outcome(
        operation=operation,
        result=Result.SUCCEEDED,
        transaction_id=f"stx_{operation}_{charge.pk}",
        reference=charge.gateway_reference,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
    )
    return replace(said, **fields)  # type: ignore[arg-type]


def authorized() -> ChargeAttempt:
    charge = make_charge()
    record_outcome(charge, outcome_of(charge, Operation.AUTHORIZE), source=WEBHOOK)
    return charge


def remedies(charge: ChargeAttempt) -> list[SagaExecution]:
    return list(SagaExecution.objects.filter(definition="remedy", order=charge.order_id))


class TestOneFact:
    @pytest.mark.parametrize("status", ["pending", "unknown", "requires_action"])
    def test_an_authorization_settles_whatever_was_open(self, status: str) -> None:
        charge = make_charge(status)

        record_outcome(charge, outcome_of(charge, Operation.AUTHORIZE), source=WEBHOOK)

        charge.refresh_from_db()
        assert (charge.status, charge.authorized_minor) == ("authorized", charge.amount_minor)

    def test_the_same_capture_told_twice_is_one_posting(self) -> None:
        charge = authorized()
        captured = outcome_of(charge, Operation.CAPTURE)

        record_outcome(charge, captured, source=GatewayOutcome.Source.ANSWER)
        for _ in range(2):
            told_again = ChargeAttempt.objects.select_related("order").get(pk=charge.pk)
            record_outcome(told_again, captured, source=WEBHOOK)

        charge.order.refresh_from_db()
        assert charge.order.paid_minor == charge.amount_minor
        assert LedgerPosting.objects.filter(charge=charge).count() == 1
        assert charge.outcomes.filter(operation="capture").count() == 1
        assert remedies(charge) == []

    def test_a_void_told_twice_is_one_fact(self) -> None:
        charge = authorized()

        for _ in range(2):
            record_outcome(charge, outcome_of(charge, Operation.VOID), source=WEBHOOK)

        assert (charge.status, charge.outcomes.filter(operation="void").count()) == ("voided", 1)

    def test_a_late_word_of_the_authorization_changes_nothing_of_a_captured_charge(self) -> None:
        charge = authorized()
        record_outcome(charge, outcome_of(charge, Operation.CAPTURE), source=WEBHOOK)

        record_outcome(charge, outcome_of(charge, Operation.AUTHORIZE), source=WEBHOOK)

        charge.refresh_from_db()
        assert (charge.status, remedies(charge)) == ("captured", [])

    @pytest.mark.parametrize("result", [Result.DECLINED, Result.FAILED])
    def test_a_decline_closes_an_open_attempt_only(self, result: Result) -> None:
        charge, settled = make_charge(), authorized()

        for attempt in (charge, settled):
            said = outcome_of(attempt, Operation.AUTHORIZE, result=result, decline_code="generic_decline")
            record_outcome(attempt, said, source=WEBHOOK)

        settled.refresh_from_db()
        assert (charge.status, charge.decline_code, settled.status) == ("declined", "generic_decline", "authorized")

    def test_nobody_knows_only_of_what_was_just_begun(self) -> None:
        charge, settled = make_charge(), authorized()

        note_unknown(charge)
        note_unknown(settled)

        assert (charge.status, settled.status) == ("unknown", "authorized")

    def test_an_unknown_attempt_can_still_be_declined(self) -> None:
        charge = make_charge("unknown")

        note_declined(charge, "generic_decline")

        assert charge.status == "declined"


class TestOtherThanAsked:
    @pytest.mark.parametrize("operation", [Operation.AUTHORIZE, Operation.CAPTURE])
    @pytest.mark.parametrize("wrong", [{"amount_minor": 1}, {"currency": "EUR"}])
    def test_another_amount_or_currency_is_refused_and_nothing_written(
        self, operation: Operation, wrong: dict[str, object]
    ) -> None:
        charge = authorized() if operation == Operation.CAPTURE else make_charge()
        before = ChargeAttempt.objects.values().get(pk=charge.pk)

        with pytest.raises(UnexpectedOutcomeError):
            record_outcome(charge, outcome_of(charge, operation, **wrong), source=WEBHOOK)

        assert ChargeAttempt.objects.values().get(pk=charge.pk) == before
        assert not LedgerPosting.objects.filter(charge=charge).exists()


class TestContradictions:
    @pytest.mark.parametrize("status", ["voided", "declined", "failed"])
    @pytest.mark.parametrize("operation", [Operation.AUTHORIZE, Operation.CAPTURE])
    def test_a_success_of_what_is_settled_opens_one_remedy_however_often_it_is_told(
        self, status: str, operation: Operation
    ) -> None:
        charge = make_charge(status)

        for _ in range(2):
            record_outcome(charge, outcome_of(charge, operation), source=WEBHOOK)

        (remedy,) = remedies(charge)
        charge.refresh_from_db()
        assert (remedy.state, remedy.context["operation"], charge.status) == ("pending", operation, status)
        assert remedy.context["reference"] == charge.gateway_reference

    def test_money_that_should_not_have_come_stands_in_suspense(self) -> None:
        charge = make_charge("voided")

        record_outcome(charge, outcome_of(charge, Operation.CAPTURE), source=WEBHOOK)

        posting = LedgerPosting.objects.get(charge=charge)
        charge.order.refresh_from_db()
        assert (posting.debit, posting.credit) == ("gateway_clearing", "suspense")
        assert charge.order.paid_minor == 0

    def test_a_second_authorization_under_another_name_is_remedied(self) -> None:
        charge = authorized()
        second = outcome_of(charge, Operation.AUTHORIZE, transaction_id="stx_second", reference=f"second_{charge.pk}")

        record_outcome(charge, second, source=WEBHOOK)

        charge.refresh_from_db()
        assert charge.gateway_reference != second.reference
        assert [remedy.context["reference"] for remedy in remedies(charge)] == [second.reference]

    def test_a_second_capture_is_remedied_and_the_order_is_paid_once(self) -> None:
        charge = authorized()
        record_outcome(charge, outcome_of(charge, Operation.CAPTURE), source=WEBHOOK)

        record_outcome(charge, outcome_of(charge, Operation.CAPTURE, transaction_id="stx_again"), source=WEBHOOK)

        charge.order.refresh_from_db()
        assert charge.order.paid_minor == charge.amount_minor
        assert len(remedies(charge)) == 1
