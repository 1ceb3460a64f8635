"""A checkout whose client named no gateway goes to another one, but only when the first has certainly done nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from orders.models import Order
from payments import services
from payments.models import ChargeAttempt, GatewayRoute, SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import Api, advance, run_checkout
from tests.payments.conftest import forget_adapters
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

DOWN = "stripe_charges"
"""Takes the same tokens as the sandbox, and nobody listens where it is said to be."""


@pytest.fixture(autouse=True)
def two_gateways(sandbox: Sandbox, settings: Settings) -> Iterator[None]:
    settings.GATEWAYS = [DOWN, "sandbox"]
    settings.DEFAULT_GATEWAY = DOWN
    settings.STRIPE_API_KEY = "sk_test_nobody"
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    forget_adapters()
    yield
    forget_adapters()


def add_routes(*gateways: str, **fields: Any) -> None:
    for priority, gateway in enumerate(gateways):
        GatewayRoute.objects.create(priority=priority, gateway=gateway, **fields)


def checkout(payment_method: str = "tok_visa", gateway: str = "", order: Order | None = None) -> SagaExecution:
    order = order or make_order()
    payment = services.routed(services.Payment(payment_method, gateway), order)
    return run_checkout(order, payment_method, gateway=payment.gateway, is_routed=payment.is_routed)


def attempts(saga: SagaExecution) -> list[tuple[str, str]]:
    charges = ChargeAttempt.objects.filter(saga=saga).order_by("pk")
    return list(charges.values_list("gateway", "status"))


def test_a_gateway_that_cannot_be_reached_is_passed_over_and_the_order_paid_at_the_next(sandbox: Sandbox) -> None:
    add_routes(DOWN, "sandbox")

    saga = checkout()

    assert (saga.state, saga.context["gateway"]) == ("completed", "sandbox")
    assert attempts(saga) == [(DOWN, "failed"), ("sandbox", "captured")]
    assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
    event = saga.events.get(kind="failed_over")
    assert (event.after["before"], event.after["after"]) == (DOWN, "sandbox")


def test_the_second_gateway_is_sent_a_key_of_its_own(sandbox: Sandbox) -> None:
    add_routes(DOWN, "sandbox")

    saga = checkout()

    step = saga.steps.get(name="authorize_payment")
    assert (step.key.rpartition(":")[2], step.attempts) == ("1", 1)
    assert {call["operation"] for call in step.calls} == {"authorize"}


def test_a_gateway_that_the_client_named_is_the_only_one_that_is_asked(sandbox: Sandbox) -> None:
    add_routes(DOWN, "sandbox")

    saga = checkout(gateway=DOWN)
    while saga.state in SagaExecution.ACTIVE:
        saga = advance(saga)

    assert attempts(saga) == [(DOWN, "failed")]
    assert saga.failure["code"] == "gateway_unavailable"
    assert effective(sandbox, saga) == []


def test_without_another_route_the_checkout_stays_where_it_is(sandbox: Sandbox) -> None:
    add_routes(DOWN)

    saga = checkout()

    assert attempts(saga)[0][0] == DOWN
    assert len(attempts(saga)) == 1


@pytest.mark.parametrize("payment_method", ["tok_timeout_before", "tok_timeout_after", "tok_flaky_1"])
def test_after_an_unknown_outcome_nobody_else_is_asked(sandbox: Sandbox, payment_method: str) -> None:
    add_routes("sandbox", DOWN)

    saga = checkout(payment_method)

    assert attempts(saga) == [("sandbox", "captured")]
    assert effective(sandbox, saga) == ["authorize", "capture", "ship"]


def test_a_decline_is_final_unless_a_rule_says_otherwise(sandbox: Sandbox) -> None:
    add_routes("sandbox", DOWN)

    assert attempts(checkout("tok_declined")) == [("sandbox", "declined")]


def test_a_decline_that_a_rule_names_is_tried_elsewhere_and_both_attempts_are_kept(sandbox: Sandbox) -> None:
    add_routes("sandbox", DOWN, retried_declines="insufficient_funds, generic_decline")

    saga = checkout("tok_declined")
    while saga.state in SagaExecution.ACTIVE:
        saga = advance(saga)

    assert attempts(saga) == [("sandbox", "declined"), (DOWN, "failed")]
    assert (saga.state, saga.failure["code"]) == ("compensated", "gateway_unavailable")


def test_a_decline_of_another_kind_than_the_rule_names_is_final(sandbox: Sandbox) -> None:
    add_routes("sandbox", DOWN, retried_declines="insufficient_funds")

    assert attempts(checkout("tok_declined")) == [("sandbox", "declined")]


class TestChoosing:
    @pytest.mark.parametrize(
        ("fields", "amount", "expected"),
        [
            ({}, 1000, "sandbox"),
            ({"currency": "USD"}, 1000, "sandbox"),
            ({"currency": "EUR"}, 1000, DOWN),
            ({"currency": "USD", "from_minor": 1000}, 1000, "sandbox"),
            ({"currency": "USD", "from_minor": 1001}, 1000, DOWN),
            ({"currency": "USD", "below_minor": 1001}, 1000, "sandbox"),
            ({"currency": "USD", "below_minor": 1000}, 1000, DOWN),
            ({"is_on": False}, 1000, DOWN),
        ],
    )
    def test_a_rule_is_for_its_currency_and_amounts(self, fields: dict[str, Any], amount: int, expected: str) -> None:
        add_routes("sandbox", **fields)

        assert (
            services.routed(services.Payment("tok_visa"), make_order(quantity=1, unit_amount_minor=amount)).gateway
            == expected
        )

    def test_without_a_rule_it_is_the_default_gateway(self) -> None:
        assert services.routed(services.Payment("tok_visa"), make_order()).gateway == DOWN

    def test_a_gateway_that_cannot_take_the_card_is_passed_over(self) -> None:
        add_routes("sandbox", DOWN)

        assert services.routed(services.Payment("tok_of_nobody"), make_order()).gateway == DOWN

    def test_a_gateway_that_is_no_longer_in_use_has_no_say(self, settings: Settings) -> None:
        add_routes("adyen", "sandbox")

        assert services.routed(services.Payment("tok_visa"), make_order()).gateway == "sandbox"

    def test_the_api_routes_whoever_names_no_gateway(self, api: Api) -> None:
        add_routes(DOWN, "sandbox")

        response = api.checkout(api.order(), "tok_visa")

        assert response.status_code == 201
        assert response.json()["charge"]["gateway"] == "sandbox"
