"""What gateways tell of disputes becomes fact here, in whatever order it is told.

The caller brings the transaction and holds the rows of the saga and the order.
"""

from typing import TYPE_CHECKING

from django.db.models import Sum
from django.db.models.functions import Now

from payments import ledger
from payments.errors import ChargeDisputedError, DisputeAnsweredError
from payments.gateways.base import DisputeReport
from payments.models import ChargeAttempt, Dispute
from payments.models.client_events import tell_dispute

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = Dispute.Status


def record_dispute(charge: ChargeAttempt, report: DisputeReport) -> bool:
    """Apply what the gateway tells; False when nothing of it is new."""
    dispute, is_new = Dispute.objects.get_or_create(
        gateway=charge.gateway,
        gateway_reference=report.dispute,
        defaults={
            "charge": charge,
            "amount_minor": report.amount_minor,
            "currency": report.currency,
            "reason": report.reason,
            "evidence_due_at": report.evidence_due_at,
            "opened_at": report.opened_at,
        },
    )
    is_completed = _complete(dispute, report)
    has_moved = report.status != Status.OPEN and dispute.advance(Status(report.status))
    is_booked = _move_money(charge, dispute, was_withdrawn=report.is_withdrawn)
    if is_new or has_moved:
        dispute.charge = charge
        tell_dispute(dispute)
    return is_new or is_completed or has_moved or is_booked


def _complete(dispute: Dispute, report: DisputeReport) -> bool:
    """Keep what was not known yet. A later event may have come first, and told less."""
    news = {
        name: told
        for name in ("reason", "evidence_due_at", "opened_at")
        if (told := getattr(report, name)) and not getattr(dispute, name)
    }
    return bool(news) and bool(Dispute.objects.filter(pk=dispute.pk).update(updated_at=Now(), **news))


def _move_money(charge: ChargeAttempt, dispute: Dispute, *, was_withdrawn: bool) -> bool:
    """Post what the dispute means for our balance at the gateway, where it is not posted yet.

    An inquiry withdraws nothing until it becomes a dispute; one that is won brings the amount back. Should the verdict
    be told first, both are posted at once: the gateway's report has both.
    """
    is_out = dispute.is_withdrawn
    is_first = (was_withdrawn or dispute.status == Status.LOST) and not ledger.has_dispute(dispute)
    stays_out = dispute.status == Status.LOST or (dispute.status == Status.OPEN and (is_out or is_first))
    if not is_first and stays_out == is_out:
        return False
    if not Dispute.objects.filter(pk=dispute.pk, is_withdrawn=is_out).update(is_withdrawn=stays_out, updated_at=Now()):
        return False
    dispute.is_withdrawn = stays_out
    if not is_out:
        ledger.post_dispute(charge, dispute)
    if not stays_out:
        ledger.reverse_dispute(dispute)
    return True


def require_undisputed(charge: ChargeAttempt, *, amount_minor: int) -> None:
    """Raise ChargeDisputedError where giving `amount_minor` back could pay the customer twice.

    While a dispute is open nothing is given back; of what was lost, that much is gone already.
    """
    standing = charge.disputes.exclude(status=Status.WON)
    if standing.filter(status=Status.OPEN).exists():
        raise ChargeDisputedError(charge=charge.public_id)
    lost = standing.aggregate(total=Sum("amount_minor"))["total"] or 0
    if lost and amount_minor > charge.refundable_minor - lost:
        raise ChargeDisputedError(charge=charge.public_id)


def take(dispute: Dispute, by: "User") -> None:
    """`by` is who answers it from now on. Raise DisputeAnsweredError when there is nothing to answer any more."""
    if not Dispute.objects.unanswered().filter(pk=dispute.pk).update(owner=by, updated_at=Now()):
        raise DisputeAnsweredError
    dispute.owner = by


def note_answer(dispute: Dispute, note: str, *, by: "User") -> None:
    """Evidence was sent at the gateway, or there is none: either way the dispute no longer waits for anybody here.

    Raise DisputeAnsweredError when that was noted already, or the dispute is over.
    """
    unanswered = Dispute.objects.unanswered().filter(pk=dispute.pk)
    if not unanswered.update(answered_at=Now(), answer_note=note, owner=by, updated_at=Now()):
        raise DisputeAnsweredError
    dispute.refresh_from_db()
