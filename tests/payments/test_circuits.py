"""What people decide about a gateway, and what is told of it."""

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import Settings

from orders.errors import InvalidTransition
from payments import circuits
from payments.gateways.resilience import breaker
from payments.models import CircuitBreaker
from tests.config.builders import make_user

pytestmark = pytest.mark.django_db


def state(gateway: str = "sandbox") -> str:
    return next(circuit.state for circuit in circuits.all_circuits() if circuit.gateway == gateway)


def test_every_gateway_and_the_carrier_is_told_of() -> None:
    assert [circuit.gateway for circuit in circuits.all_circuits()] == ["sandbox", "sandbox_carrier"]


def test_its_breaker_is_closed_open_or_finding_out(settings: Settings) -> None:
    settings.GATEWAY_BREAKER_FAILURES = 1
    assert state() == "closed"
    breaker.store().failed("sandbox", probe="")
    assert state() == "open"


def test_when_the_wait_is_over_the_next_call_finds_out(settings: Settings) -> None:
    settings.GATEWAY_BREAKER_FAILURES, settings.GATEWAY_BREAKER_SECONDS = 1, 0

    breaker.store().failed("sandbox", probe="")
    assert state() == "half_open"
    breaker.store().admit("sandbox", probe="me", lease=60)

    assert state() == "half_open"


@pytest.mark.parametrize("forced", ["open", "closed"])
def test_what_people_decide_holds_with_who_when_and_why_until_they_let_go(forced: str) -> None:
    ann = make_user("ann")
    circuits.decide("sandbox", forced=forced, by=ann, reason="It charges twice.")

    row = CircuitBreaker.objects.get()
    assert state() == f"forced_{forced}"
    assert (row.forced_by, row.forced_because, row.forced_at is not None) == ("ann", "It charges twice.", True)

    circuits.decide("sandbox", forced=circuits.AUTOMATIC, by=ann, reason="Mended.")

    row.refresh_from_db()
    assert (state(), row.forced_by, row.forced_because, row.forced_at) == ("closed", "", "", None)
    told = [entry.get_change_message() for entry in LogEntry.objects.order_by("id")]
    assert [message.rpartition(": ")[2] for message in told] == ["It charges twice.", "Mended."]


@pytest.mark.parametrize("forced", ["open", circuits.AUTOMATIC])
def test_what_is_so_already_is_not_decided_again(forced: str) -> None:
    ann = make_user("ann")
    if forced:
        circuits.decide("sandbox", forced=forced, by=ann, reason="First.")
    entries = LogEntry.objects.count()

    with pytest.raises(InvalidTransition):
        circuits.decide("sandbox", forced=forced, by=make_user("bob"), reason="Second.")

    assert LogEntry.objects.count() == entries
    assert not CircuitBreaker.objects.filter(forced_by="bob").exists()
