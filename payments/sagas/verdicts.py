"""What a person's verdict does to a checkout that waits for it, before the capture or before the parcel."""

from datetime import datetime, timedelta

import fraud.services as screening
from fraud.models import ReviewCase
from orders.models import Order
from payments.errors import FraudBlockedError
from payments.sagas.definition import Park, Refuse
from payments.sagas.run import Run

POLL = timedelta(minutes=1)
PATIENCE_WITH_MONEY = timedelta(days=6)
"""How long a captured order waits for its verdict: as long as an authorization usually would have."""


def review_refused(run: Run) -> Refuse | None:
    review = run.context.get("review")
    if review and ReviewCase.objects.filter(decision_id=review, outcome=ReviewCase.Outcome.REJECTED).exists():
        return Refuse(FraudBlockedError("The review was rejected."))
    return None


def await_verdict(run: Run, case: ReviewCase, *, until: datetime) -> Park | Refuse | None:
    """Nobody has decided at the deadline: that is a no."""
    if run.is_overdue and case.state != ReviewCase.State.CLOSED:
        case = screening.close_case(case, outcome="expired", by=None, note="Nobody decided in time.")
    if case.state != ReviewCase.State.CLOSED:
        return Park("review", POLL, (case.due_at or until) - run.now, Order.Status.IN_REVIEW)
    return None if case.outcome == "approved" else Refuse(FraudBlockedError(f"The review was {case.outcome}."))


def capture_before_verdict(run: Run, case: ReviewCase) -> None:
    """Take the money before the authorization expires; the case stays open, and the parcel waits for it."""
    screening.prolong_case(case, due_at=run.now + PATIENCE_WITH_MONEY)
    run.context["ship_after_review"] = True


def await_verdict_before_shipping(run: Run) -> Park | Refuse | None:
    if not run.context.get("ship_after_review"):
        return None
    case = ReviewCase.objects.get(decision_id=run.context["review"])
    return await_verdict(run, case, until=run.now + PATIENCE_WITH_MONEY)
