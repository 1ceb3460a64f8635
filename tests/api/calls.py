"""How each address is called so that it does something. What is missing here is named by the test that misses it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from fraud.models import ReviewCase
from orders.ids import new_id, parse_id
from orders.models import Order
from payments.disputes import record_dispute
from payments.events import endpoints
from payments.gateways.base import DisputeReport
from payments.interventions import requests
from payments.models import ChargeAttempt, ClientEvent, SagaExecution, WebhookEndpoint, WebhookEvent
from tests.api.endpoints import Endpoint
from tests.orders.builders import make_client, make_stock
from tests.payments.builders import Api

HOOK: Final = "https://hooks.example.com/paydesk"

Body = dict[str, Any]
Maker = Callable[[Api], str]


@dataclass(frozen=True, slots=True)
class Call:
    """A body that succeeds, one that says something else, and the objects it takes, where not the usual ones."""

    body: Callable[[], Body]
    other: Callable[[], Body] | None = None
    objects: Mapping[str, Maker] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of one client, and one that differs from it: in its body, or in its address where there is no body."""

    path: str
    body: Body
    other_path: str
    other_body: Body


def everything(groups: tuple[str, ...] = ("API client", "Operator")) -> User:
    """A client who may do all that the API offers."""
    user = make_client(groups[0])
    user.groups.add(*Group.objects.filter(name__in=groups))
    return user


def open_order(api: Api) -> str:
    return api.order().public_id


def paid_charge(api: Api) -> str:
    order = api.order()
    assert api.checkout(order).status_code == 201
    return ChargeAttempt.objects.get(order=order).public_id


def made_refund(api: Api) -> str:
    answer = api.post(f"charges/{paid_charge(api)}/refunds", {"amount": 1, "reason": "Came back."})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def told_dispute(api: Api) -> str:
    """What a gateway has told of a paid charge."""
    paid = parse_id(ChargeAttempt.PREFIX, paid_charge(api))
    assert paid
    charge = ChargeAttempt.objects.get(pk=paid)
    report = DisputeReport(str(new_id()), charge.gateway_reference, "open", 1, charge.currency)
    record_dispute(charge, report)
    return charge.disputes.get().public_id


def ended_saga(api: Api) -> str:
    order = api.order()
    api.checkout(order, "tok_declined")
    return SagaExecution.objects.get(order=order).public_id


def decision_under_review(api: Api) -> str:
    order = api.order()
    assert api.checkout(order, "tok_avs_partial").status_code == 202
    return ReviewCase.objects.get(order=order).decision.public_id


def waiting_saga(api: Api) -> str:
    """Claimed once, by the request that began it."""
    order = api.order()
    assert api.checkout(order, "tok_avs_partial").status_code == 202
    return SagaExecution.objects.get(order=order, epoch=1).public_id


def awaiting_intervention(api: Api, *, by: User | None = None) -> str:
    """What a colleague wants to do about a large amount."""
    order = api.order(unit_amount_minor=600_00)
    assert api.checkout(order, "tok_avs_partial").status_code == 202
    saga = SagaExecution.objects.get(order=order)
    row = requests.request(saga, action="compensate", by=by or everything(), reason="a", epoch=saga.epoch)
    assert row.state == "awaiting_approval"
    return row.public_id


def own_request(api: Api) -> str:
    """What the client wants to do."""
    return awaiting_intervention(api, by=api.user)


def received_event(api: Api) -> str:
    """What a gateway told about a charge of the client's; it says nothing that is booked."""
    charges = ChargeAttempt.objects.filter(order__client=api.user)
    if not charges:
        paid_charge(api)
    number = str(new_id())
    return WebhookEvent.objects.create(
        gateway="sandbox",
        event_id=number,
        kind="a",
        body=f'{{"id": "{number}", "type": "a"}}',
        charge=charges.latest("pk"),
    ).public_id


def told_event(api: Api) -> str:
    order = api.order()
    order.move(Order.Status.CANCELLED)
    return ClientEvent.objects.get(subject=order.public_id).public_id


@transaction.atomic
def enabled_endpoint(api: Api) -> str:
    return endpoints.create(api.user, url=HOOK, kinds=[])[0].public_id


@transaction.atomic
def waiting_delivery(api: Api) -> str:
    """To the client's newest endpoint: in an address it stands behind that one."""
    endpoint = WebhookEndpoint.objects.filter(client=api.user).order_by("pk").last()
    return endpoints.send_test(endpoint or endpoints.create(api.user, url=HOOK, kinds=[])[0]).public_id


OBJECTS: Final[Mapping[str, Maker]] = {
    "order_id": open_order,
    "charge_id": paid_charge,
    "refund_id": made_refund,
    "dispute_id": told_dispute,
    "saga_id": ended_saga,
    "decision_id": decision_under_review,
    "intervention_id": awaiting_intervention,
    "webhook_event_id": received_event,
    "event_id": told_event,
    "endpoint_id": enabled_endpoint,
    "delivery_id": waiting_delivery,
    "gateway": lambda _api: "sandbox",
}
"""By the name of the part of an address: makes an object of the client, and returns its id."""


def an_order() -> Body:
    """Of an item that is in stock from now on."""
    return {
        "currency": "USD",
        "customer": {"id": f"customer-{new_id()}", "email": "jo@example.com"},
        "lines": [{"sku": make_stock().sku, "quantity": 1, "unit_amount": 12_50}],
        "billing": {"country": "US", "postal_code": "10001"},
    }


def facts() -> Body:
    """What may be asked about."""
    return {
        "amount": 250_000,
        "currency": "USD",
        "customer": {"id": "cus_1", "email": "jo@example.com"},
        "card": {"country": "DE"},
        "customer_ip": "192.0.2.1",
        "velocity": {"customer_attempts_3600s": 1},
    }


def _pause(reason: str) -> Body:
    return {"action": "pause", "reason": reason, "epoch": 1}


CALLS: Final[Mapping[str, Call]] = {
    "orders": Call(an_order, an_order),
    "checkout": Call(lambda: {"payment_method": "tok_visa"}, lambda: {"payment_method": "tok_amex"}),
    "cancel": Call(dict),
    "charge-refunds": Call(lambda: {"amount": 1, "reason": "a"}, lambda: {"amount": 2, "reason": "a"}),
    "saga-interventions": Call(lambda: _pause("a"), lambda: _pause("b"), {"saga_id": waiting_saga}),
    "approve-intervention": Call(lambda: {"note": "a"}, lambda: {"note": "b"}),
    "refuse-intervention": Call(lambda: {"note": "a"}, lambda: {"note": "b"}),
    "withdraw-intervention": Call(lambda: {"note": "a"}, lambda: {"note": "b"}, {"intervention_id": own_request}),
    "review": Call(lambda: {"verdict": "approve", "note": "a"}, lambda: {"verdict": "reject", "note": "a"}),
    "evaluate": Call(facts),
    "replay-webhook-event": Call(lambda: {"dry_run": False}, lambda: {"dry_run": True}),
    "webhook-endpoints": Call(lambda: {"url": HOOK}, lambda: {"url": HOOK, "events": ["charge.*"]}),
    "rotate-secret": Call(dict, lambda: {"overlap_hours": 1}),
    "test-endpoint": Call(dict),
    "resend-delivery": Call(dict),
    "webhooks": Call(dict),
}
"""By the name of the address."""


def call(endpoint: Endpoint) -> Call:
    if endpoint.name not in CALLS:
        pytest.fail(f"How is POST {endpoint} called? Add {endpoint.name!r} to CALLS in tests/api/calls.py.")
    return CALLS[endpoint.name]


def ids(endpoint: Endpoint, api: Api) -> dict[str, str]:
    """New objects of the client, one for each part of the address."""
    makers = {**OBJECTS, **(CALLS[endpoint.name].objects if endpoint.name in CALLS else {})}
    for name in endpoint.arguments:
        if name not in makers:
            pytest.fail(f"What is <{name}> in {endpoint}? Add to OBJECTS in tests/api/calls.py how one is made.")
    return {name: makers[name](api) for name in endpoint.arguments}


def permissions_of(endpoint: Endpoint, method: str) -> list[Permission]:
    """What the view asks for before it answers this method."""
    needed = endpoint.view.required_permissions["GET" if method == "HEAD" else method]
    names = [name.split(".") for name in ([needed] if isinstance(needed, str) else needed)]
    return [Permission.objects.get(content_type__app_label=app, codename=codename) for app, codename in names]


def request(endpoint: Endpoint, api: Api) -> Request:
    """One that has not been made yet and would succeed."""
    how = call(endpoint)
    path = endpoint.path(**ids(endpoint, api))
    if how.other:
        return Request(path, how.body(), path, how.other())
    return Request(path, how.body(), endpoint.path(**ids(endpoint, api)), how.body())
