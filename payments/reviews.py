"""The verdict of a review: it closes the case and lets the money go on, or back, in one commit."""

from typing import TYPE_CHECKING

import structlog
from django.db import transaction

import fraud.services as screening
from fraud.errors import ReviewClosed
from fraud.models import Decision, ReviewCase
from orders.ids import parse_id
from payments.models import ChargeAttempt, SagaExecution
from payments.sagas.refund import open_refund

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

OUTCOMES = {"approve": "approved", "reject": "rejected"}


def decide(decision: Decision, *, verdict: str, by: "User", note: str) -> ReviewCase:
    """Close the decision's case as `verdict` ("approve" or "reject") and wake its checkout.

    A rejection that comes after the parcel has gone (`post_charge`) gives the money back. Raise ReviewClosed when
    there is no open case: of two people at once, the first verdict stands.
    """
    with transaction.atomic():
        sagas = SagaExecution.objects.select_for_update()
        saga = sagas.filter(pk=parse_id(SagaExecution.PREFIX, decision.attempt) or decision.pk).first()
        case = ReviewCase.objects.filter(decision=decision).first()
        if saga is None or case is None:
            raise ReviewClosed("There is no open review for this decision.")
        case = screening.close_case(case, outcome=OUTCOMES[verdict], by=by, note=note)
        if not saga.is_final:
            saga.wake()
        elif verdict == "reject":
            _give_back(saga, case)
    log.info("review_decided", review=case.public_id, outcome=case.outcome, by=by.get_username())
    return case


def _give_back(saga: SagaExecution, case: ReviewCase) -> None:
    charge = ChargeAttempt.objects.filter(saga=saga, status=ChargeAttempt.Status.CAPTURED).first()
    if charge is not None and charge.refundable_minor > 0:
        left = charge.refundable_minor
        open_refund(charge, amount_minor=left, cause=f"review:{case.public_id}", reason="Rejected in review.")
