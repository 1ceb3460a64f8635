"""What a person has to know to decide about a payment: the findings, the money, and what the same people did before."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.safestring import SafeString

from fraud.engine import EARLIER_STAGE
from fraud.facts import Stage
from fraud.models import Decision, ReviewCase
from orders.admin.marks import NOTHING, address, badge, in_words, link, moment, money
from orders.admin.orders import STATUS_TONES
from orders.ids import parse_id
from orders.models import Order
from payments.admin.charges import card_of
from payments.admin.marks import DECISION_TONES, charge_badge, saga_badge
from payments.models import ChargeAttempt, SagaExecution
from payments.sagas import expiry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Verdicts = list[dict[str, Any]]

ALIKE: Final = 10
"""Orders shown of the same customer, as many of the same address, and of the same card."""
ATTEMPTS: Final = 100
"""Charges and reviews read of all of them: somebody may have tried one order a thousand times."""
ACTIONS: Final = 20

STAGES: Final[Mapping[str, str]] = {
    Stage.BEFORE_AUTHORIZATION: "Before the card was asked",
    Stage.AFTER_AUTHORIZATION: "After the card's issuer had answered",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule said."""

    rule: str
    asked_for: SafeString
    score: int
    reason: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Screening:
    """What one stage found."""

    stage: str
    ruling: SafeString
    score: int
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Purchase:
    """Another order, and what it has in common with this one."""

    order: SafeString | str
    placed_at: datetime
    same: str
    total: str
    status: SafeString
    told: str


def spoken(verdicts: Verdicts, before: Verdicts | None = None) -> str:
    """Why, in the rules' words. What the stage `before` scored is told by its own rules, not as a sum."""
    counted = [*(before or ()), *(verdict for verdict in verdicts if not before or verdict["rule"] != EARLIER_STAGE)]
    reasons = dict.fromkeys(verdict["reason"] for verdict in counted if not verdict["shadow"])
    return " ".join(reasons) or "No rule spoke up."


def time_left(case: ReviewCase, now: datetime) -> SafeString:
    """The time until the case decides itself, as coarse as it is long."""
    if case.due_at is None:
        return badge("no limit", "quiet")
    left = case.due_at - now
    if left < timedelta(0):
        return badge(f"overdue by {_span(-left)}", "bad")
    return badge(f"{_span(left)} left", "quiet" if left > timedelta(days=1) else "alarm")


def _span(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Dossier:
    """Of one case, for one reader: nobody is shown what they may not view."""

    def __init__(self, case: ReviewCase, reader: "User") -> None:
        self.case = case
        self.order = case.order
        self._reader = reader

    @cached_property
    def charge(self) -> ChargeAttempt | None:
        saga = parse_id(SagaExecution.PREFIX, self.case.decision.attempt)
        return ChargeAttempt.objects.filter(saga_id=saga).select_related("saga").last() if saga else None

    @property
    def is_closed(self) -> bool:
        return self.case.state == ReviewCase.State.CLOSED

    @property
    def is_taken(self) -> bool:
        """The money was taken before anybody was asked: `post_charge`."""
        return self.charge is not None and self.charge.status == ChargeAttempt.Status.CAPTURED

    @property
    def is_held(self) -> bool:
        return self.charge is not None and self.charge.status == ChargeAttempt.Status.AUTHORIZED

    @property
    def is_shipment_held(self) -> bool:
        """The money was taken before its authorization expired; the parcel waits for the verdict."""
        if self.charge is None or not self.is_taken:
            return False
        saga = self.charge.saga
        return bool(saga.context.get("ship_after_review")) and saga.state in SagaExecution.ACTIVE

    @property
    def at_stake(self) -> str:
        charge = self.charge
        if charge is None:
            return money(self.order.amount_minor, self.order.currency)
        return money(charge.refundable_minor if self.is_taken else charge.amount_minor, charge.currency)

    @property
    def told(self) -> str:
        """How the case and its money stand."""
        if self.is_closed:
            decided = "Decided" if self.case.closed_by else "Ended without a verdict"
            return f"{decided} on {moment(self.case.closed_at)}. {self.came_of_it}".rstrip()
        if self.is_held:
            return f"{self.at_stake} is authorized and not taken: it waits for a verdict."
        if self.is_shipment_held:
            return f"{self.at_stake} was taken before its authorization expired: the parcel waits for a verdict."
        if self.is_taken:
            return f"{self.at_stake} is taken and the parcel is on its way: a verdict can still give it back."
        return "The checkout is not waiting for this verdict any more."

    @property
    def came_of_it(self) -> str:
        """Where the money is now that the case is closed."""
        charge, is_approved = self.charge, self.case.outcome == ReviewCase.Outcome.APPROVED
        if charge is None:
            return ""
        if charge.captured_minor and charge.captured_minor == charge.refunded_minor:
            return f"{money(charge.refunded_minor, charge.currency)} went back."
        if self.is_taken:
            taken = money(charge.captured_minor, charge.currency)
            return f"{taken} is captured." if is_approved else f"{taken} is captured and goes back."
        if self.is_held:
            return "The payment goes on." if is_approved else "The authorization is let go."
        return "Nothing was taken."

    @property
    def what_then(self) -> str:
        """What happens when nobody decides."""
        if self.is_shipment_held:
            return (
                f"At {moment(self.case.due_at)} the review ends as expired: the money goes back, and the order can be "
                "checked out again."
            )
        if self.is_held and expiry.is_captured():
            return (
                f"At {moment(self.case.due_at)} the money is taken, for its authorization is about to expire; the "
                "parcel goes on waiting for a verdict."
            )
        if self.is_held:
            return (
                f"At {moment(self.case.due_at)} the review ends as expired: the authorization is voided, nothing is "
                "taken, and the order can be checked out again."
            )
        return "Nothing happens by itself."

    @property
    def if_approved(self) -> str:
        if self.is_shipment_held:
            return "Approve and ship"
        return f"Approve and capture {self.at_stake}" if self.is_held else "Approve"

    @property
    def if_rejected(self) -> str:
        if self.is_taken:
            return f"Reject and refund {self.at_stake}"
        return "Reject and void" if self.is_held else "Reject"

    @property
    def screenings(self) -> list[Screening]:
        decisions = Decision.objects.filter(attempt=self.case.decision.attempt).order_by("id")
        return [_screening(decision) for decision in decisions]

    def order_facts(self) -> Iterator[tuple[str, object]]:
        order = self.order
        yield "Order", self._link(order, "orders.view_order")
        yield "Status", badge(order.status, STATUS_TONES[order.status])
        yield "Reference", order.reference or NOTHING
        yield "Client", order.client
        yield "Customer's e-mail", order.customer_email
        yield "Customer's id", order.customer_id
        yield "Billing", address(order.billing)
        yield "Shipping", address(order.shipping)

    def lines(self) -> list[tuple[str, str, int, str, str]]:
        currency = self.order.currency
        return [
            (line.item_id, line.name, line.quantity, money(line.unit_amount_minor, currency), money(sum_, currency))
            for line in self.order.lines.order_by("position")
            for sum_ in [line.quantity * line.unit_amount_minor]
        ]

    def payment_facts(self) -> Iterator[tuple[str, object]]:
        charge = self.charge
        if charge is None:
            return
        yield "Charge", self._link(charge, "payments.view_chargeattempt")
        yield "Status", charge_badge(charge)
        yield "Amount", money(charge.amount_minor, charge.currency)
        yield "Authorization expires", moment(charge.authorization_expires_at)
        yield "Card", card_of(charge)
        yield "Card's country", charge.card_country or NOTHING
        yield "Address check", in_words(charge.avs_result) or NOTHING
        yield "Security code check", in_words(charge.cvv_result) or NOTHING
        if self._reader.has_perm("payments.view_sagaexecution"):
            yield "Checkout saga", link(charge.saga)
            yield "Saga's state", saga_badge(charge.saga)

    def purchases(self) -> list[Purchase]:
        """The last orders of the same customer, address or card, newest first."""
        alike = {order.pk: order for orders in self._alike.values() for order in orders}
        charges = _last_of(ChargeAttempt.objects.filter(order__in=alike).order_by("-id")[:ATTEMPTS])
        closed = ReviewCase.objects.closed().filter(order__in=alike).select_related("closed_by")
        reviews = _last_of(closed[:ATTEMPTS])
        newest_first = sorted(alike.values(), key=lambda order: order.pk, reverse=True)
        return [self._purchase(order, charges.get(order.pk), reviews.get(order.pk)) for order in newest_first]

    def actions(self) -> Iterable[LogEntry]:
        """What people did about the case, the last first."""
        kind = ContentType.objects.get_for_model(ReviewCase)
        entries = LogEntry.objects.filter(content_type=kind, object_id=str(self.case.pk))
        return entries.select_related("user").order_by("-id")[:ACTIONS]

    @cached_property
    def _alike(self) -> dict[str, list[Order]]:
        about = self.order
        others = Order.objects.visible_to(self._reader).exclude(pk=about.pk).order_by("-id")
        same_customer = others.filter(client=about.client_id, customer_id=about.customer_id)
        return {
            "customer": list(same_customer[:ALIKE]),
            "e-mail": list(others.filter(customer_email=about.customer_email)[:ALIKE]),
            "card": self._of_the_same_card(),
        }

    def _of_the_same_card(self) -> list[Order]:
        if self.charge is None or not self.charge.card_fingerprint:
            return []
        charges = ChargeAttempt.objects.visible_to(self._reader).exclude(order=self.order).select_related("order")
        same = {
            "card_last4": self.charge.card_last4,
            "card_fingerprint": self.charge.card_fingerprint,
        }  # by last4's index
        return [charge.order for charge in charges.filter(**same).order_by("-id")[:ALIKE]]

    def _purchase(self, order: Order, charge: ChargeAttempt | None, review: ReviewCase | None) -> Purchase:
        same = [name for name, orders in self._alike.items() if order in orders]
        return Purchase(
            order=self._link(order, "orders.view_order"),
            placed_at=order.created_at,
            same=", ".join(same),
            total=money(order.amount_minor, order.currency),
            status=badge(order.status, STATUS_TONES[order.status]),
            told="; ".join(_outcomes(charge, review)) or NOTHING,
        )

    def _link(self, row: Any, permission: str) -> SafeString | str:
        return link(row) if self._reader.has_perm(permission) else str(row)


def _screening(decision: Decision) -> Screening:
    return Screening(
        stage=STAGES.get(decision.stage, in_words(decision.stage)),
        ruling=badge(decision.decision, DECISION_TONES.get(decision.decision, "quiet")),
        score=decision.score,
        findings=[
            Finding(
                rule=in_words(verdict["rule"]),
                asked_for=badge(verdict["decision"], DECISION_TONES.get(verdict["decision"], "quiet")),
                score=verdict["score"],
                reason=verdict["reason"],
                counts=not verdict["shadow"],
            )
            for verdict in decision.verdicts
        ],
    )


def _last_of(newest_first: Iterable[Any]) -> dict[UUID, Any]:
    """The newest row of each order."""
    last: dict[UUID, Any] = {}
    for row in newest_first:
        last.setdefault(row.order_id, row)
    return last


def _outcomes(charge: ChargeAttempt | None, review: ReviewCase | None) -> Iterator[str]:
    if charge is not None:
        yield f"charge {in_words(charge.status)}"
        if charge.decline_code:
            yield in_words(charge.decline_code)
        if charge.refunded_minor:
            yield f"{money(charge.refunded_minor, charge.currency)} refunded"
    if review is not None:
        yield f"review {review.outcome}" + (f" by {review.closed_by}" if review.closed_by else "")
