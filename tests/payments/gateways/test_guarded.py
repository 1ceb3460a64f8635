"""What stands around the sandbox's adapters, with the sandbox behind them."""

import socket
from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings

from orders.ids import new_id
from payments.errors import (
    CardDeclinedError,
    CircuitOpenError,
    GatewayTimeoutError,
    InvalidRequestError,
    NetworkError,
    NeverSentError,
    RateLimitedError,
)
from payments.gateways import registry
from payments.gateways.base import Operation, Request, Result
from payments.gateways.resilience import breaker, retry
from payments.gateways.resilience.breaker import Breaker
from payments.gateways.sandbox import SandboxGateway
from payments.models import CircuitBreaker, GatewayCall
from tests.payments.conftest import forget_adapters
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

FAILURES = 3
PAUSE = 0.2


@pytest.fixture(autouse=True)
def quick(sandbox: Sandbox, settings: Settings) -> None:
    settings.GATEWAY_BREAKER_FAILURES = FAILURES
    settings.GATEWAY_BREAKER_SECONDS = PAUSE


def request(payment_method: str = "tok_visa", **fields: Any) -> Request:
    key = f"key-{new_id()}"
    return Request(key, order=key, amount_minor=25_00, currency="USD", payment_method=payment_method, **fields)


def authorize(payment_method: str = "tok_visa") -> Any:
    return registry.gateway("sandbox").authorize(request(payment_method))


def fails(call: Callable[[], object], error: type[Exception], *, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(error):
            call()


def point_nowhere(settings: Settings) -> None:
    """At a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.SANDBOX_GATEWAY_URL = f"http://127.0.0.1:{server.getsockname()[1]}"
    forget_adapters()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


class TestBreaker:
    def test_a_gateway_that_does_not_answer_is_left_alone_and_found_well_again(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_500", operation="authorize")
        fails(authorize, GatewayTimeoutError, times=FAILURES)
        sandbox.clear_faults()
        before = len(sandbox.journal())

        fails(authorize, CircuitOpenError)
        assert len(sandbox.journal()) == before
        sleep(PAUSE + 0.05)

        assert authorize().result == Result.SUCCEEDED
        assert authorize().result == Result.SUCCEEDED

    def test_a_look_up_is_turned_away_too_and_may_be_the_probe(self, sandbox: Sandbox) -> None:
        gateway = registry.gateway("sandbox")
        sandbox.fault("status_500", operation="authorize")
        fails(authorize, GatewayTimeoutError, times=FAILURES)

        fails(lambda: gateway.look_up(Operation.AUTHORIZE, request()), CircuitOpenError)
        sleep(PAUSE + 0.05)
        assert gateway.look_up(Operation.AUTHORIZE, request()) is None

        fails(authorize, GatewayTimeoutError)

    def test_a_probe_that_fails_too_leaves_it_alone_for_longer(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_500", operation="authorize")
        fails(authorize, GatewayTimeoutError, times=FAILURES)
        sleep(PAUSE + 0.05)
        fails(authorize, GatewayTimeoutError)
        sleep(PAUSE + 0.05)

        with pytest.raises(CircuitOpenError) as raised:
            authorize()

        assert raised.value.retriable
        assert raised.value.retry_after is not None
        assert raised.value.retry_after < 2 * PAUSE + breaker.SPREAD

    def test_declines_and_refusals_never_open_it(self) -> None:
        gateway = registry.gateway("sandbox")

        fails(lambda: authorize("tok_insufficient_funds"), CardDeclinedError, times=2 * FAILURES)
        fails(lambda: gateway.capture(request(reference="nothing")), InvalidRequestError, times=2 * FAILURES)

        assert authorize().result == Result.SUCCEEDED

    def test_a_decline_shows_that_it_works(self, sandbox: Sandbox) -> None:
        for _ in range(3):
            sandbox.fault("status_500", operation="authorize", times=FAILURES - 1)
            fails(authorize, GatewayTimeoutError, times=FAILURES - 1)
            fails(lambda: authorize("tok_insufficient_funds"), CardDeclinedError)

    def test_that_it_wants_fewer_requests_shows_nothing(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_429", operation="authorize")
        fails(authorize, RateLimitedError, times=2 * FAILURES)
        sandbox.clear_faults()
        sandbox.fault("status_500", operation="authorize", times=FAILURES)
        fails(authorize, GatewayTimeoutError, times=FAILURES)
        sandbox.fault("status_429", operation="authorize", times=1)
        sleep(PAUSE + 0.05)
        fails(authorize, RateLimitedError)

        assert authorize().result == Result.SUCCEEDED

    def test_a_fault_of_ours_during_the_probe_lets_the_next_call_find_out(self) -> None:
        watched = Breaker("ours", lease=60)
        for _ in range(FAILURES):
            with pytest.raises(NetworkError), watched.watching():
                raise NetworkError
        sleep(PAUSE + 0.05)
        with pytest.raises(ZeroDivisionError), watched.watching():
            raise ZeroDivisionError

        with watched.watching():
            pass

        assert breaker.store().look("ours")["ours"].is_closed

    def test_the_carrier_has_one_of_its_own(self, sandbox: Sandbox) -> None:
        carrier = registry.carrier()
        sandbox.fault("status_500", operation="ship")
        fails(lambda: carrier.ship(request()), GatewayTimeoutError, times=FAILURES)

        fails(lambda: carrier.cancel_shipment(request(reference="parcel")), CircuitOpenError)

        assert authorize().result == Result.SUCCEEDED

    def test_another_process_takes_it_to_be_closed_for_a_second_at_most(self, monkeypatch: pytest.MonkeyPatch) -> None:
        here = Breaker("shared", lease=60)
        with here.watching():
            pass
        for _ in range(FAILURES):
            breaker.store().failed("shared", probe="")

        with here.watching():
            pass
        monkeypatch.setattr(here, "_closed_until", 0)

        with pytest.raises(CircuitOpenError), here.watching():
            pass


class TestForced:
    def force(self, state: str) -> None:
        CircuitBreaker.objects.update_or_create(
            gateway="sandbox", defaults={"forced": state, "forced_by": "ann", "forced_at": "2026-01-01T00:00:00Z"}
        )
        forget_adapters()  # or a second goes by

    def test_open_by_hand_nobody_asks_it(self, sandbox: Sandbox) -> None:
        self.force("open")
        before = len(sandbox.journal())

        with pytest.raises(CircuitOpenError) as raised:
            authorize()

        assert len(sandbox.journal()) == before
        assert raised.value.retry_after is not None
        assert raised.value.retry_after >= breaker.FORCED_PAUSE

    def test_closed_by_hand_it_is_asked_whatever_comes_of_it(self, sandbox: Sandbox) -> None:
        self.force("closed")
        sandbox.fault("status_500", operation="authorize")

        fails(authorize, GatewayTimeoutError, times=3 * FAILURES)
        sandbox.clear_faults()

        assert authorize().result == Result.SUCCEEDED
        assert breaker.store().look("sandbox")["sandbox"].is_closed

    def test_every_process_knows_within_two_seconds(self) -> None:
        authorize()
        CircuitBreaker.objects.update_or_create(
            gateway="sandbox", defaults={"forced": "open", "forced_by": "ann", "forced_at": "2026-01-01T00:00:00Z"}
        )
        sleep(breaker.TRUSTED_SECONDS + 0.1)

        fails(authorize, CircuitOpenError)


class TestRetry:
    def test_a_port_where_nobody_listens_is_tried_three_times(self, settings: Settings) -> None:
        settings.GATEWAY_BREAKER_FAILURES = 100
        point_nowhere(settings)

        fails(authorize, NetworkError)

        assert list(GatewayCall.objects.values_list("outcome", "status")) == [("never_sent", None)] * 3

    def test_each_try_counts_for_the_breaker(self, settings: Settings) -> None:
        point_nowhere(settings)

        fails(authorize, NetworkError)

        fails(authorize, CircuitOpenError)

    def test_what_is_too_late_is_not_sent_but_asked(self, sandbox: Sandbox) -> None:
        before = len(sandbox.journal())
        gateway = registry.gateway("sandbox")

        with retry.sending_until(0):
            fails(authorize, NeverSentError)
            assert gateway.find("nothing") is None

        assert [entry["operation"] for entry in sandbox.journal()[before:] if entry["operation"] == "authorize"] == []


class TestLimit:
    def test_what_is_over_the_limit_is_not_sent_and_told_how_long_to_wait(
        self, sandbox: Sandbox, settings: Settings
    ) -> None:
        settings.GATEWAY_RATE_LIMIT = "2/hour"
        before = len(sandbox.journal())
        refused = metric("paydesk_gateway_refused_total", gateway="sandbox", reason="rate_limited")
        assert [authorize().result, authorize().result] == [Result.SUCCEEDED] * 2

        with pytest.raises(RateLimitedError) as raised:
            authorize()

        assert raised.value.retry_after is not None
        assert 0 < raised.value.retry_after <= 7200
        assert len(sandbox.journal()) == before + 2
        assert metric("paydesk_gateway_refused_total", gateway="sandbox", reason="rate_limited") == refused + 1

    def test_gateway_and_carrier_are_counted_apart(self, settings: Settings) -> None:
        settings.GATEWAY_RATE_LIMIT = "1/hour"
        authorize()

        assert registry.carrier().ship(request(address={"country": "US"})).result == Result.SUCCEEDED


class TestRecord:
    @pytest.mark.parametrize(
        ("payment_method", "outcome", "status"),
        [
            ("tok_visa", "succeeded", 200),
            ("tok_3ds", "requires_action", 200),
            ("tok_insufficient_funds", "declined", 402),
        ],
    )
    def test_each_call_is_kept_and_counted_by_what_it_came_to(
        self, payment_method: str, outcome: str, status: int
    ) -> None:
        labels = {"gateway": "sandbox", "operation": "authorize", "outcome": outcome}
        counted = metric("paydesk_gateway_calls_total", **labels)
        timed = metric("paydesk_gateway_call_seconds_count", **labels)

        try:
            authorize(payment_method)
        except CardDeclinedError:
            assert outcome == "declined"

        call = GatewayCall.objects.get()
        assert (call.gateway, call.operation, call.outcome, call.status) == ("sandbox", "authorize", outcome, status)
        assert call.request is not None
        assert call.request["payment_method"] == payment_method
        assert call.key.startswith("key-")
        assert metric("paydesk_gateway_calls_total", **labels) == counted + 1
        assert metric("paydesk_gateway_call_seconds_count", **labels) == timed + 1

    def test_a_look_up_that_is_answered_has_succeeded_whatever_it_tells(self) -> None:
        asked = request("tok_insufficient_funds")
        gateway = registry.gateway("sandbox")
        fails(lambda: gateway.authorize(asked), CardDeclinedError)

        found = gateway.look_up(Operation.AUTHORIZE, asked)

        assert found is not None
        assert found.result == Result.DECLINED
        assert list(GatewayCall.objects.values_list("operation", "outcome")) == [
            ("authorize", "declined"), ("look_up", "succeeded")
        ]  # fmt: skip

    @pytest.mark.parametrize(("fault", "outcome"), [("status_500", "unknown"), ("status_429", "never_sent")])
    def test_what_nobody_knows_is_told_from_what_was_not_done(self, sandbox: Sandbox, fault: str, outcome: str) -> None:
        sandbox.fault(fault, operation="authorize", times=1)

        fails(authorize, GatewayTimeoutError if outcome == "unknown" else RateLimitedError)

        assert GatewayCall.objects.get().outcome == outcome

    def test_a_refusal_is_one(self) -> None:
        fails(lambda: registry.gateway("sandbox").void(request(reference="nothing")), InvalidRequestError)

        assert GatewayCall.objects.get().outcome == "refused"

    def test_card_data_is_not_kept(self) -> None:
        fails(lambda: authorize("4242424242424242"), InvalidRequestError)

        assert "4242424242424242" not in str(GatewayCall.objects.values_list("request", "answer"))


def test_a_bare_adapter_keeps_no_record(sandbox: Sandbox) -> None:
    assert SandboxGateway().find("nothing") is None

    assert not GatewayCall.objects.exists()


def test_what_asks_nobody_goes_straight_through(sandbox: Sandbox) -> None:
    gateway = registry.gateway("sandbox")
    before = len(sandbox.journal())

    gateway.require_known("tok_visa")
    with pytest.raises(AttributeError, match="open"):
        registry._made("sandbox").open(request())

    assert len(sandbox.journal()) == before
    assert not GatewayCall.objects.exists()


def test_the_rest_of_what_a_gateway_does_is_passed_through() -> None:
    from datetime import date

    gateway = registry.gateway("sandbox")
    held = gateway.authorize(asked := request())
    assert gateway.capture(request(reference=held.reference)).result == Result.SUCCEEDED
    assert gateway.refund(request(reference=held.reference)).result == Result.SUCCEEDED
    assert gateway.is_dead(held.reference) is False
    assert gateway.find(held.reference) is not None
    assert gateway.look_up(Operation.AUTHORIZE, asked) is not None
    assert gateway.void(request(reference=gateway.authorize(request()).reference)).result == Result.SUCCEEDED
    assert isinstance(gateway.list_transactions(date(2026, 1, 1)), list)
