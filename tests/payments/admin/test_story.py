import re
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from orders.models import Order, Shipment
from payments import reviews
from payments.admin import story
from payments.models import ChargeAttempt, SagaExecution, WebhookEvent
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import Api, advance, charge_of, run_checkout
from tests.payments.interventions.builders import ask_for, failed_refund
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def page(office: Office, order: Order) -> str:
    return office.page("orders_order_change", order.public_id)


def titles(html: str) -> list[str]:
    """What happened, in the order of the page."""
    found = re.search(r'<ol class="timeline">(.*?)</ol>', html, re.DOTALL)
    assert found
    return [title.strip() for title in re.findall(r"<h3>(.*?)<", found[1])]


def make_webhook(charge: ChargeAttempt, **fields: Any) -> WebhookEvent:
    row = {"gateway": "sandbox", "event_id": "evt-1", "kind": "charge.captured", "body": "{}", **fields}
    return WebhookEvent.objects.create(charge=charge, **row)


def test_an_order_tells_its_whole_story_in_the_order_of_time(office: Office, api: Api) -> None:
    order = api.order()
    api.checkout(order, key="key-of-the-client")
    charge = ChargeAttempt.objects.get(order=order)
    make_webhook(charge)

    html = page(office, order)
    told = titles(html)

    in_order = ("Placed", "Client asked", "Reserve inventory", "Authorize payment", "Capture payment", "Shipped")
    assert [title for title in told if title in in_order] == list(in_order)
    assert told.count("Fraud decision") == 2
    assert {"Webhook", "Charge begun", "Client answered", "Completed"} <= set(told)
    assert "key-of-the-client" in html
    assert "Call 1: <b>authorize</b>" in html


def test_every_part_of_the_story_leads_to_its_page(office: Office, api: Api) -> None:
    order = api.order(postal_code="99999")
    api.checkout(order)
    charge = ChargeAttempt.objects.get(order=order)
    about = [charge.saga, charge, charge.refunds.get(), make_webhook(charge), *order.decisions.all()]

    html = page(office, order)

    for row in about:
        assert f"/{row.public_id}/change/" in html
    assert f"/idempotencykey/{charge.saga.idempotency_key_id}/change/" in html
    assert "Refund asked for" in titles(html)


def test_a_review_and_who_decided_it_are_told(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_avs_partial")
    assert "Review opened" in titles(page(office, saga.order))
    decision = saga.order.reviews.get().decision
    reviews.decide(decision, verdict="approve", by=office.user, note="Known customer.")
    advance(saga)

    html = page(office, saga.order)

    told = titles(html)
    assert told.index("Review opened") < told.index("Review closed") < told.index("Capture payment")
    assert f"{office.user} closed it as approved. Known customer." in html


def test_what_people_did_is_told_to_those_who_may_see_what_they_did_it_to(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_avs_partial")
    for row, message in ((saga.order, "Asked by phone."), (saga.order.reviews.get(), "Looked at it twice.")):
        LogEntry.objects.create(
            user=office.user,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=str(row),
            action_flag=CHANGE,
            change_message=message,
        )

    html, of_finance = page(office, saga.order), page(Office(groups=("Finance",)), saga.order)

    assert "Asked by phone." in html
    assert "Looked at it twice." in html
    assert "Asked by phone." in of_finance
    assert "Looked at it twice." not in of_finance


def test_what_people_did_to_a_saga_is_told_once(office: Office, sandbox: Sandbox) -> None:
    saga = failed_refund()
    ask_for(saga, "look_up", reason="Has the bank called?")

    assert page(office, saga.order).count("Has the bank called?") == 1


def test_who_may_see_orders_alone_is_told_that_it_was_placed(sandbox: Sandbox) -> None:
    saga = run_checkout()

    assert titles(page(Office(ALL_CLIENTS, "orders.view_order"), saga.order)) == ["Placed"]


def test_a_parcel_that_was_called_back_is_told_of_twice(office: Office) -> None:
    order = make_order()
    at = order.created_at
    Shipment.objects.create(
        order=order, carrier="sandbox", carrier_reference="shp_7", status="cancelled", cancelled_at=at
    )

    assert set(titles(page(office, order))) == {"Placed", "Shipped", "Recalled"}


def test_of_what_happened_very_often_the_newest_is_told(office: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    for number in range(story.MOST + 5):
        make_webhook(charge, event_id=f"evt-{number}", kind=f"kind-{number}-")

    html = page(office, charge.order)

    assert titles(html).count("Webhook") == story.MOST
    assert f"kind-{story.MOST + 4}-" in html
    assert "kind-0-" not in html


def test_what_was_told_from_outside_is_shown_as_text_and_masked(office: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    make_webhook(charge, kind="<script>4242424242424242")

    html = page(office, charge.order)

    assert "&lt;script&gt;" in html
    assert "4242424242424242" not in html


def test_a_story_that_is_longer_takes_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    once, often = make_order(), make_order()
    run_checkout(once, "tok_declined")
    for _ in range(3):
        run_checkout(Order.objects.get(pk=often.pk), "tok_declined")
    page(office, once)

    assert SagaExecution.objects.filter(order=often).count() == 3
    assert office.queries("orders_order_change", once.pk) == office.queries("orders_order_change", often.pk) <= 36
