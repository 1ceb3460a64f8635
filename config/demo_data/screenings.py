"""What the fraud rules of today say of the demo's past."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from config.demo_data.records import id_at
from fraud import engine
from fraud.facts import Context, Stage
from fraud.models import Decision, active_ruleset_and_listings
from fraud.services import load_ruleset
from orders.models import Order


def screen(
    order: Order, *, attempt: str, stage: Stage, at: datetime, card: Mapping[str, str], velocity: Mapping[str, int]
) -> Decision:
    """The decision of one stage, as a row that is not written yet; `card` is what the issuer has told, if it was asked.

    Nothing is counted: what was bought weeks ago says nothing about how often somebody buys now.
    """
    facts = {
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "customer_id": order.customer_id,
        "email": order.customer_email,
        "billing_country": order.billing.get("country"),
        "shipping_country": order.shipping.get("country"),
    }
    context = Context.of(stage, {**facts, **card, "velocity": dict(velocity)})
    ruleset_id, listed = active_ruleset_and_listings(context.listable().items())
    context = replace(context, listed=listed)
    evaluation = engine.evaluate(load_ruleset(ruleset_id), context)
    return Decision(
        id=id_at(at),
        order=order,
        attempt=attempt,
        stage=stage,
        decision=evaluation.decision,
        score=evaluation.score,
        ruleset_version=evaluation.ruleset_version,
        verdicts=[asdict(verdict) for verdict in evaluation.verdicts],
        context=context.snapshot(),
        created_at=at,
    )
