"""The checkout: from an order to a paid parcel, or back to where it began."""

from dataclasses import dataclass

from django.conf import settings

import fraud.services as screening
from fraud.models import Decision, ReviewCase
from orders import services as orders
from orders.models import Order, Shipment
from payments.errors import FraudBlockedError
from payments.sagas import expiry, registry, verdicts
from payments.sagas.authorization import Authorization
from payments.sagas.context import may_be_edited
from payments.sagas.definition import Foreign, Local, Refuse, Saga, Verdict
from payments.sagas.operations import Capture, RefundCharge, Void, charge_of
from payments.sagas.run import Run
from payments.sagas.shipping import ShipmentCancelling, Shipping


@dataclass(frozen=True)
class CheckoutContext:
    """What the steps of a checkout know.

    `is_routed`: the client named no gateway, so there may be another one. `review` is the decision that a person has to
    confirm; `ship_after_review`: the money is taken, the parcel waits.
    """

    checkout_number: int
    gateway: str
    payment_method: str
    customer_ip: str = may_be_edited(default="")
    device_fingerprint: str = may_be_edited(default="")
    return_url: str = ""
    is_routed: bool = False
    velocity: dict[str, int] | None = None
    three_d_secure: bool = False
    review: str | None = None
    ship_after_review: bool = False


BEFORE, AFTER = "before_authorization", "after_authorization"


def reserve_inventory(run: Run) -> Verdict:
    orders.reserve_stock(run.order, checkout_number=run.context["checkout_number"])
    return None


def release_inventory(run: Run) -> Verdict:
    orders.release_stock(run.order, checkout_number=run.context["checkout_number"])
    return None


def count_attempt(run: Run) -> None:
    standing = screening.read_standing(run.order, facts=_where_from(run))
    run.ahead["standing"] = standing
    run.ahead["velocity"] = screening.gather_velocity(run.order, attempt=run.saga.public_id, standing=standing)


def screen_order(run: Run) -> Verdict:
    """What is known before the card has been asked: a challenge here makes the gateway ask for 3DS."""
    run.context["velocity"] = run.ahead["velocity"]
    decision = _decide(run, BEFORE, {})
    run.context["three_d_secure"] = decision.decision == "challenge"
    return _blocked_or_reviewed(run, decision)


def screen_authorization(run: Run) -> Verdict:
    """What the card's issuer has told: a challenge that comes this late becomes a review."""
    charge = charge_of(run)
    card = {
        "card_country": charge.card_country,
        "card_brand": charge.card_brand,
        "card_fingerprint": charge.card_fingerprint,
        "avs_result": charge.avs_result,
        "cvv_result": charge.cvv_result,
    }
    decision = _decide(run, AFTER, {name: fact or None for name, fact in card.items()})
    return _blocked_or_reviewed(run, decision, is_challenge_late=True)


def _decide(run: Run, stage: str, facts: dict[str, str | None]) -> Decision:
    """A run that was begun here is the only one there is: what it has not decided, nobody has."""
    prior_score = 0 if stage == BEFORE else run.ahead.get("prior_score")
    decision = screening.decide(
        run.order,
        attempt=run.saga.public_id,
        stage=stage,
        facts={**_where_from(run), **facts},
        velocity=run.context["velocity"],
        prior_score=prior_score if run.is_new else None,
        standing=run.ahead["standing"] if stage == BEFORE else None,
    )
    if stage == BEFORE:
        run.ahead["prior_score"] = decision.score
    return decision


def _where_from(run: Run) -> dict[str, str | None]:
    return {"ip": run.context.get("customer_ip"), "device_fingerprint": run.context.get("device_fingerprint")}


def _blocked_or_reviewed(run: Run, decision: Decision, *, is_challenge_late: bool = False) -> Verdict:
    if decision.decision == "block":
        return Refuse(FraudBlockedError(decision=decision.public_id))
    if decision.decision == "review" or (is_challenge_late and decision.decision == "challenge"):
        run.context["review"] = str(decision.pk)
    return None


def await_review(run: Run) -> Verdict:
    """`hold`: nothing is captured until a person has said yes. `post_charge`: the case stays open behind the order."""
    decision_id = run.context.get("review")
    if decision_id is None:
        return None
    due_at = expiry.use_by(charge_of(run), now=run.now)
    case = screening.open_case(Decision.objects.get(pk=decision_id), due_at=due_at)
    if case.state != ReviewCase.State.CLOSED:
        if settings.FRAUD_REVIEW_MODE == "post_charge":
            return None
        if run.is_overdue and expiry.is_captured():
            verdicts.capture_before_verdict(run, case)
            return None
    return verdicts.await_verdict(run, case, until=due_at)


def complete_order(run: Run) -> Verdict:
    """A reviewer's no that came while the parcel was handed over calls it back."""
    if stop := verdicts.review_refused(run):
        return stop
    deliver(run)
    return None


def deliver(run: Run) -> None:
    """The parcel is its customer's, and the money ours."""
    orders.consume_stock(run.order, checkout_number=run.context["checkout_number"])
    run.order.move(Order.Status.COMPLETED)


_ENDS = {"out_of_stock": Order.Status.OPEN, "order_cancelled": Order.Status.CANCELLED}


def settle_order(run: Run) -> None:
    """Everything is undone: say what became of the order.

    One whose parcel could not be called back is not for sale again: a second parcel would follow the first.
    """
    has_parcel = run.order.shipments.filter(status=Shipment.Status.SHIPPED).exists()
    is_cancelled = run.order.cancel_requested_at is not None or has_parcel
    end = _ENDS.get(run.saga.failure["code"], Order.Status.PAYMENT_FAILED)
    run.order.move(Order.Status.CANCELLED if is_cancelled else end)
    _end_review(run)


def give_up(run: Run) -> None:
    """No money is held or taken any more, and none will be: let the rest go too."""
    release_inventory(run)
    settle_order(run)


def _end_review(run: Run) -> None:
    """Nobody is to be asked any more: a case that is still waiting would send people after nothing."""
    decision_id = run.context.get("review")
    case = ReviewCase.objects.waiting().filter(decision_id=decision_id).first() if decision_id else None
    if case is not None:
        screening.close_case(case, outcome="expired", by=None, note="The checkout ended before anybody decided.")


CHECKOUT = registry.register(
    Saga(
        "checkout",
        version=1,
        context=CheckoutContext,
        steps=(
            Local(reserve_inventory, undo=release_inventory),
            Local(screen_order, before=count_attempt),
            Foreign(Authorization(), undo=Void()),
            Local(screen_authorization),
            Local(await_review),
            Foreign(Capture(), undo=RefundCharge()),
            Foreign(Shipping(), undo=ShipmentCancelling()),
            Local(complete_order),
        ),
        on_compensated=settle_order,
    )
)
