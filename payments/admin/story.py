"""Everything that is known of an order, told in the order in which it happened."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.safestring import SafeString

from fraud.models import ReviewCase
from orders.admin.marks import Tone, badge, in_words, link, money
from orders.models import Order, Shipment
from payments.admin import timeline
from payments.admin.marks import DECISION_TONES, charge_badge, refund_badge
from payments.admin.timeline import Entry, duration
from payments.admin.webhooks import webhook_badge
from payments.models import ChargeAttempt, IdempotencyKey, Refund, SagaExecution, WebhookEvent
from payments.redaction import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Row = TypeVar("Row", bound=models.Model)

MOST: Final = 20
"""Rows of one kind that are told, the newest: an order may be checked out a thousand times."""
LOGGED: Final[tuple[type[models.Model], ...]] = (ChargeAttempt, ReviewCase)
"""Beside the order. What people did to a saga is in its own history already."""


def of(order: Order, *, reader: "User | AnonymousUser") -> list[Entry]:
    """What `reader` may see of it, in a number of queries that does not depend on how much there is."""
    entries = [_placed(order), *_of_people(order, reader)]
    for permission, tell in _TELLERS:
        if reader.has_perm(permission):
            entries += tell(order, reader)
    return [replace(entry, since=_since(entry.at, order)) for entry in sorted(entries, key=lambda entry: entry.at)]


def _since(at: datetime, order: Order) -> str:
    return duration(max(timedelta(), at - order.created_at))


def _newest(rows: models.QuerySet[Row]) -> list[Row]:
    return list(rows.order_by("-pk")[:MOST])


def _entry(at: datetime, title: str, told: str, mark: SafeString, *, about: SafeString | str, tone: Tone) -> Entry:
    return Entry(at=at, since="", title=title, told=redact(told), mark=mark, tone=tone, about=about)


def _placed(order: Order) -> Entry:
    told = f"{order.client} placed it for {order.customer_email}: {money(order.amount_minor, order.currency)}."
    mark = badge("order", "quiet")
    return _entry(order.created_at, "Placed", told, mark, about="", tone="quiet")


def _of_sagas(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    """Steps with their calls, events, and what the client that began it was answered."""
    sagas = _newest(order.sagas.select_related("idempotency_key__client").prefetch_related("steps", "events"))
    can_see_keys = reader.has_perm("payments.view_idempotencykey")
    for saga in sagas:
        about = link(saga)
        if can_see_keys and saga.idempotency_key:
            yield from _of_asking(saga.idempotency_key, saga)
        for entry in timeline.of(saga, saga.steps.all(), saga.events.all(), ()):
            yield replace(entry, about=about)


def _of_asking(key: IdempotencyKey, saga: SagaExecution) -> Iterator[Entry]:
    if key.is_of_person:
        asked = f"{key.client} asked for a {in_words(saga.definition)} in the back office."
        yield _entry(key.created_at, "Asked by hand", asked, badge("person", "busy"), about=link(key), tone="busy")
        return
    asked = f"The client asked for a {in_words(saga.definition)} with the key {key.key}."
    yield _entry(key.created_at, "Client asked", asked, badge("client", "quiet"), about=link(key), tone="quiet")
    if key.frozen_at:
        tone: Tone = "good" if (key.status or 0) < 400 else "bad"
        told = f"The answer to this key was settled for good: {key.status}."
        yield _entry(key.frozen_at, "Client answered", told, badge(str(key.status), tone), about=link(key), tone=tone)


def _of_charges(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for charge in _newest(order.charges.all()):
        card = f" to the card ending in {charge.card_last4}" if charge.card_last4 else ""
        told = f"A charge of {money(charge.amount_minor, charge.currency)}{card} was begun at {charge.gateway}."
        mark = charge_badge(charge)
        yield _entry(charge.created_at, "Charge begun", told, mark, about=link(charge), tone="quiet")


def _of_refunds(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for refund in _newest(Refund.objects.filter(charge__order=order)):
        told = f"{money(refund.amount_minor, refund.currency)} is to go back. {refund.reason}".strip()
        mark = refund_badge(refund)
        yield _entry(refund.created_at, "Refund asked for", told, mark, about=link(refund), tone="quiet")


def _of_webhooks(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for event in _newest(WebhookEvent.objects.filter(charge__order=order).defer("body")):
        told = f"{event.gateway} told of {event.kind}. {event.error}".strip()
        mark = webhook_badge(event)
        yield _entry(event.received_at, "Webhook", told, mark, about=link(event), tone="quiet")


def _of_decisions(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for decision in _newest(order.decisions.defer("context")):
        spoken = " ".join(verdict["reason"] for verdict in decision.verdicts if not verdict["shadow"])
        tone = DECISION_TONES.get(decision.decision, "quiet")
        told = f"{in_words(decision.stage).capitalize()}, score {decision.score}: {spoken or 'no rule spoke up.'}"
        mark = badge(decision.decision, tone)
        yield _entry(decision.created_at, "Fraud decision", told, mark, about=link(decision), tone=tone)


def _of_reviews(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for case in _newest(order.reviews.select_related("closed_by")):
        asked = "A person was asked to decide."
        yield _entry(case.created_at, "Review opened", asked, badge("review", "busy"), about=link(case), tone="busy")
        if case.closed_at:
            yield _closed(case, case.closed_at)


def _closed(case: ReviewCase, at: datetime) -> Entry:
    tone: Tone = "good" if case.outcome == ReviewCase.Outcome.APPROVED else "bad"
    told = f"{case.closed_by or 'The deadline'} closed it as {case.outcome}. {case.note}".strip()
    return _entry(at, "Review closed", told, badge(case.outcome, tone), about=link(case), tone=tone)


def _of_shipments(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    for shipment in _newest(Shipment.objects.filter(order=order)):
        number = f" under {shipment.tracking_number}" if shipment.tracking_number else ""
        told = f"The carrier {shipment.carrier} took the parcel{number}."
        yield _entry(shipment.created_at, "Shipped", told, badge("shipped", "good"), about="", tone="good")
        if shipment.cancelled_at:
            called = "The parcel was called back."
            yield _entry(shipment.cancelled_at, "Recalled", called, badge("cancelled", "quiet"), about="", tone="quiet")


def _of_people(order: Order, reader: "User | AnonymousUser") -> Iterator[Entry]:
    """What staff did to the order, and to what belongs to it and may be seen."""
    for entry in _log_of(order, reader):
        told = f"{entry.user}: {entry.get_change_message() or entry.object_repr}"
        title = f"A person, about the {entry.content_type.name}" if entry.content_type else "A person"
        yield _entry(entry.action_time, title, told, badge("person", "busy"), about="", tone="busy")


def _log_of(order: Order, reader: "User | AnonymousUser") -> Iterable[LogEntry]:
    """Django's log has no index on the object; its rows are what people did by hand, and those are few."""
    kinds = ContentType.objects.get_for_models(Order, *LOGGED)
    about = models.Q(content_type=kinds[Order], object_id=str(order.pk))
    for model in LOGGED:
        if reader.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            keys = model._default_manager.filter(order=order).order_by("-pk").values_list("pk", flat=True)[:MOST]
            about |= models.Q(content_type=kinds[model], object_id__in=[str(key) for key in keys])
    return LogEntry.objects.filter(about).select_related("user", "content_type").order_by("-action_time")[:MOST]


_TELLERS: Final = (
    ("payments.view_sagaexecution", _of_sagas),
    ("payments.view_chargeattempt", _of_charges),
    ("payments.view_refund", _of_refunds),
    ("payments.view_webhookevent", _of_webhooks),
    ("fraud.view_decision", _of_decisions),
    ("fraud.view_reviewcase", _of_reviews),
    ("orders.view_shipment", _of_shipments),
)
