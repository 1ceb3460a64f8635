"""What Adyen tells when nobody waits for it any more, or against what it has told before."""

import pytest

from payments.gateways import registry
from payments.gateways.base import Request
from payments.models import GatewayOutcome, SagaExecution
from tests.payments.builders import advance, charge_of, exchange, order_of
from tests.payments.gateways.adyen.shop import act_on_all, begin, checkout, deliver, go_on, key_of, signed, take_in
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.payments.interventions.builders import ask_for
from tests.payments.sagas.evidence import overdue
from tests.peers import adyen as stand_in
from tests.peers.proxy import Fault

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "success"), [("CAPTURE_FAILED", "true"), ("CAPTURE", "false")])
def test_money_that_was_told_to_be_taken_and_was_not_is_for_a_person_to_see(
    adyen: OnAdyen, kind: str, success: str
) -> None:
    saga = checkout()
    key = key_of(saga, "capture_payment")
    deliver(adyen, "CAPTURE", key)
    charge = charge_of(go_on(saga))

    told = take_in(signed(kind, psp="PANOTHER", original=charge.gateway_reference, key=key, success=success))

    assert told.status == "failed"
    assert told.error == "The gateway takes back what it had reported: the capture failed after all."
    assert charge_of(saga).status == "captured"


def test_a_word_against_one_that_nobody_has_heeded_yet_waits_for_it(adyen: OnAdyen) -> None:
    saga = checkout()
    key, charge = key_of(saga, "capture_payment"), charge_of(saga)
    deliver(adyen, "CAPTURE", key)

    told = take_in(signed("CAPTURE_FAILED", psp="PANOTHER", original=charge.gateway_reference, key=key))
    assert told.status == "received"
    go_on(saga)
    act_on_all()

    told.refresh_from_db()
    assert told.status == "failed"


def test_a_second_authorization_under_one_key_is_let_go_although_the_first_is_under_way(adyen: OnAdyen) -> None:
    saga = checkout()

    told = take_in(signed("AUTHORISATION", psp="PANOTHER", key=key_of(saga, "authorize_payment")))

    assert told.status == "processed"
    remedy = SagaExecution.objects.get(definition="remedy")
    assert (remedy.context["operation"], remedy.context["reference"]) == ("authorize", "PANOTHER")


def test_a_second_authorization_that_comes_before_the_first_was_heeded_waits_for_it(adyen: OnAdyen) -> None:
    adyen.proxy.fail(Fault.RESET_AFTER, match="POST /v71/payments ")
    saga = exchange(begin())
    key = key_of(saga, "authorize_payment")
    deliver(adyen, "AUTHORISATION", key)

    told = take_in(signed("AUTHORISATION", psp="PANOTHER", key=key))
    assert told.status == "received"
    go_on(saga)
    act_on_all()

    told.refresh_from_db()
    assert told.status == "processed"
    assert SagaExecution.objects.get(definition="remedy").context["reference"] == "PANOTHER"


def test_a_capture_that_nobody_has_asked_for_waits_for_the_end_of_the_checkout(adyen: OnAdyen) -> None:
    saga = checkout()

    told = take_in(signed("CAPTURE", psp="PBYHAND", original=charge_of(saga).gateway_reference, key="by hand"))
    assert (told.status, told.charge) == ("received", charge_of(saga))
    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    go_on(saga)
    act_on_all()

    told.refresh_from_db()
    assert told.status == "processed"
    assert SagaExecution.objects.get(definition="remedy").context["operation"] == "capture"


def test_what_was_authorized_when_the_books_were_closed_is_let_go_there(adyen: OnAdyen) -> None:
    saga = checkout("NOFUNDS000000012")
    key, charge = key_of(saga, "authorize_payment"), charge_of(saga)
    request = Request(
        key="elsewhere", order="ord_elsewhere", amount_minor=25_00, currency="USD",
        payment_method=OnAdyen.method(stand_in.GOOD),
    )  # fmt: skip
    psp = registry.gateway("adyen").authorize(request).reference

    told = take_in(signed("AUTHORISATION", psp=psp, key=key))
    assert (told.status, told.charge) == ("processed", charge)
    remedy = advance(SagaExecution.objects.get(definition="remedy"))
    assert remedy.waiting_for == "gateway"
    let_go = deliver(adyen, "CANCELLATION", key_of(remedy, "void_stray"))
    remedy = go_on(remedy)

    assert (remedy.state, let_go.status) == ("completed", "processed")
    assert [each["is_cancelled"] for each in adyen.payments_of("ord_elsewhere")] == [True]


def test_what_becomes_of_a_remedy_that_a_person_has_is_kept_for_them(adyen: OnAdyen) -> None:
    saga = checkout("NOFUNDS000000012")
    take_in(signed("AUTHORISATION", psp="PANOTHER", key=key_of(saga, "authorize_payment")))
    remedy = SagaExecution.objects.get(definition="remedy")
    adyen.proxy.fail(Fault.DROP_BEFORE, match="POST /v71/payments/*/cancels")
    remedy = exchange(overdue(exchange(remedy)))
    assert remedy.state == "needs_attention"

    told = take_in(signed("CANCELLATION", psp="PCANCEL", original="PANOTHER", key=key_of(remedy, "void_stray")))

    assert (told.status, told.charge) == ("processed", None)
    ask_for(remedy, "retry")
    assert advance(remedy).state in ("completed", "resolved")


def test_what_is_known_already_changes_nothing(adyen: OnAdyen) -> None:
    saga = checkout()

    told = deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))

    assert (told.status, GatewayOutcome.objects.count()) == ("processed", 1)


def test_what_is_about_nothing_of_ours_waits_for_it(adyen: OnAdyen) -> None:
    assert take_in(signed("AUTHORISATION", psp="PFOREIGN", key="order of another shop")).status == "waiting_for_object"


def test_what_is_no_movement_is_ignored(adyen: OnAdyen) -> None:
    assert take_in(signed("REPORT_AVAILABLE", psp="report_1.csv", key="")).status == "ignored"


def stopped(adyen: OnAdyen, card: str = stand_in.GOOD) -> SagaExecution:
    """An authorization was lost, and nothing was told of it for a day: a person was called."""
    adyen.proxy.fail(Fault.RESET_AFTER, match="POST /v71/payments ")
    saga = exchange(overdue(exchange(begin(card))))
    assert saga.state == "needs_attention"
    return saga


def said(saga: SagaExecution) -> str:
    ask_for(saga, "look_up")
    return str(saga.events.filter(kind="looked_up").latest("pk").after["said"])


def test_what_is_told_after_a_person_was_called_is_a_fact_at_once_and_lets_them_go_on(adyen: OnAdyen) -> None:
    saga = stopped(adyen)

    told = deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))
    assert (told.status, charge_of(saga).status) == ("processed", "authorized")
    ask_for(saga, "retry")
    saga = advance(saga)

    assert (saga.waiting_for, charge_of(saga).status) == ("gateway", "authorized")
    assert GatewayOutcome.objects.count() == 1
    assert adyen.calls_under(key_of(saga, "authorize_payment")) == 1


def test_a_refusal_that_is_told_after_a_person_was_called_is_found_by_them(adyen: OnAdyen) -> None:
    saga = stopped(adyen, "NOFUNDS000000012")

    told = deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))

    assert told.status == "processed"
    assert said(saga).endswith("It has told: the last call, to authorize 25.00 USD, was declined.")


def test_people_are_told_that_nobody_can_be_asked(adyen: OnAdyen) -> None:
    assert said(stopped(adyen)) == (
        "The gateway cannot be asked: what became of a call it tells by webhook, or in its own back office. "
        "Of this it has told nothing yet."
    )


def test_people_may_state_what_adyens_own_back_office_shows(adyen: OnAdyen) -> None:
    saga = stopped(adyen)
    [payment] = adyen.payments_of(order_of(saga).public_id)

    row = ask_for(saga, "resolve_unknown", evidence=payment["reference"], result="succeeded")

    assert row.state == "awaiting_approval"
