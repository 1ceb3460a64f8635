"""What is sent, what is not, and what nobody can be asked."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from orders.ids import format_id, new_id
from payments.errors import CannotBeAskedError, GatewayUnavailableError, InvalidRequestError
from payments.gateways import registry
from payments.gateways.base import Operation, PaymentGateway, Request
from payments.models import SagaExecution, SagaStep
from payments.sagas.checkout import CHECKOUT
from payments.sagas.definition import Foreign, name_of
from payments.sagas.refund import REFUND
from payments.sagas.remedy import REMEDY
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.peers import adyen as stand_in


def request_for(**fields: Any) -> Request:
    key = f"key-{new_id()}"
    basics = {"amount_minor": 50_00, "currency": "USD", "payment_method": OnAdyen.method(stand_in.GOOD)}
    return Request(**{"key": key, "order": "ord_1", **basics, **fields})


def sent(adyen: OnAdyen, request: Request) -> dict[str, Any]:
    [body] = adyen.carried_out(request.key)
    return body


@pytest.fixture
def gateway(adyen: OnAdyen) -> PaymentGateway:
    return adyen.adapter()


def test_a_payment_is_of_a_stored_card_captured_by_hand_and_never_authenticated(
    adyen: OnAdyen, gateway: PaymentGateway
) -> None:
    request = request_for(return_url="https://shop.example/return")
    gateway.authorize(request)

    assert sent(adyen, request) == {
        "merchantAccount": stand_in.ACCOUNT,
        "reference": request.key,
        "merchantOrderReference": "ord_1",
        "metadata": {"paydesk_order": "ord_1"},
        "amount": {"value": 50_00, "currency": "USD"},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": stand_in.GOOD},
        "shopperReference": "shopper_1",
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "CardOnFile",
        "returnUrl": "https://shop.example/return",
        "additionalData": {"manualCapture": "true"},
        "authenticationData": {"attemptAuthentication": "never"},
    }


def test_where_nobody_named_an_address_to_return_to_it_is_ours(adyen: OnAdyen, gateway: PaymentGateway) -> None:
    request = request_for()
    gateway.authorize(request)

    assert sent(adyen, request)["returnUrl"] == "https://pay.example.com"


def test_a_payment_that_has_to_be_authenticated_is_not_sent(adyen: OnAdyen, gateway: PaymentGateway) -> None:
    request = request_for(three_d_secure=True)

    with pytest.raises(InvalidRequestError):
        gateway.authorize(request)

    assert adyen.calls_under(request.key) == 0


def test_a_key_that_adyen_does_not_know_is_ours_to_correct(
    adyen: OnAdyen, gateway: PaymentGateway, settings: Any
) -> None:
    settings.ADYEN_API_KEY = "AQE-another"

    with pytest.raises(GatewayUnavailableError):
        adyen.adapter().authorize(request_for())


def test_a_payment_that_adyen_does_not_know_is_not_captured(gateway: PaymentGateway) -> None:
    with pytest.raises(InvalidRequestError):
        gateway.capture(request_for(reference="../PNOTHING"))


@pytest.mark.parametrize("method", ["shopper_1/M5N7TQ4TG5PFWR50", "a/b/8416038790273850", "0d2f-11/M5N7TQ4TG5PFWR50"])
def test_a_payment_method_names_a_shopper_and_a_card_of_theirs(gateway: PaymentGateway, method: str) -> None:
    gateway.require_known(method)


@pytest.mark.parametrize(
    "method",
    ["tok_visa", "pm_card_visa", "M5N7TQ4TG5PFWR50", "ab/M5N7TQ4TG5PFWR50", "shopper/", "a b/M5N7", "shopper/42-42",
     "shopper/4242424242424242"],
)  # fmt: skip
def test_any_other_is_unknown(gateway: PaymentGateway, method: str) -> None:
    with pytest.raises(InvalidRequestError):
        gateway.require_known(method)


QUESTIONS: list[Callable[[PaymentGateway], Any]] = [
    lambda gateway: gateway.look_up(Operation.CAPTURE, request_for()),
    lambda gateway: gateway.find("P1"),
    lambda gateway: gateway.is_dead("P1"),
    lambda gateway: gateway.list_transactions(date(2026, 1, 1)),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_can_be_asked(gateway: PaymentGateway, question: Callable[[PaymentGateway], Any]) -> None:
    with pytest.raises(CannotBeAskedError):
        question(gateway)


@pytest.mark.django_db
@pytest.mark.parametrize("question", QUESTIONS)
def test_that_nobody_can_be_asked_is_no_failure_of_the_gateway(
    adyen: OnAdyen, settings: Any, question: Callable[[PaymentGateway], Any]
) -> None:
    settings.GATEWAY_BREAKER_FAILURES = 1

    with pytest.raises(CannotBeAskedError):
        question(registry.gateway("adyen"))

    assert registry.is_up("adyen")
    assert sum(adyen.proxy.counts.values()) == 0


def test_the_longest_key_is_short_enough_for_adyen() -> None:
    """64 characters as a header, 80 as a reference."""
    foreign = [step for saga in (CHECKOUT, REFUND, REMEDY) for step in saga.steps if isinstance(step, Foreign)]
    names = [name_of(each) for step in foreign for each in (step.operation, step.undo) if each is not None]
    largest = 32_767  # of `SagaStep.key_number`
    assert SagaStep._meta.get_field("key_number").get_internal_type() == "PositiveSmallIntegerField"

    longest = max(len(f"{format_id(SagaExecution.PREFIX, new_id())}:{name}:undo:{largest}") for name in names)

    assert longest <= 64
