"""Send what is due, each notice by one worker, and try again what did not get through.

A notice is claimed by moving its next attempt into the future; a worker that dies while sending leaves it to be sent
again then, under the same id. No transaction is open while anything is sent.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from payments.alerts import channels
from payments.alerts.channels import DeliveryError
from payments.models import Alert, AlertNotice

log = structlog.get_logger(__name__)

State = AlertNotice.State

MAX_ATTEMPTS = 12
"""About five hours. While the alert lasts, its next repetition tries anew."""
BACK_OFF_BASE, BACK_OFF_CAP = timedelta(seconds=30), timedelta(hours=1)
IN_ONE_MAIL = 100
POSTS_A_ROUND = 50


def deliver_due(*, now: datetime) -> None:
    """`now` is what receivers are told as the time of sending."""
    due = {channel: AlertNotice.objects.due(channel) for channel in channels.configured()}
    for channel, notices in due.items():
        import_string(settings.ALERT_SENDERS[channel])(notices, now=now)


def mail(due: QuerySet[AlertNotice], *, now: datetime) -> None:
    """All in one."""
    notices = [notice for notice in due[:IN_ONE_MAIL] if _claim(notice)]
    if not notices:
        return
    try:
        channels.send_mail(notices)
    except DeliveryError as error:
        for notice in notices:
            _failed(notice, error)
    else:
        for notice in notices:
            _sent(notice)


def post_all(due: QuerySet[AlertNotice], *, now: datetime) -> None:
    """A receiver that did not get one would hardly get the next: the others wait for the next round."""
    for notice in due[:POSTS_A_ROUND]:
        if _claim(notice) and not _post(notice, now=now):
            return


def _post(notice: AlertNotice, *, now: datetime) -> bool:
    try:
        channels.post(notice, now=now)
    except DeliveryError as error:
        _failed(notice, error)
        return False
    _sent(notice)
    return True


def _claim(notice: AlertNotice) -> bool:
    """Compare-and-swap on the number of attempts: of several workers one sends it."""
    pause = min(BACK_OFF_CAP, BACK_OFF_BASE * 2**notice.attempts)
    unclaimed = AlertNotice.objects.pending().filter(pk=notice.pk, attempts=notice.attempts)
    return bool(unclaimed.update(attempts=notice.attempts + 1, next_attempt_at=Now() + pause))


def _sent(notice: AlertNotice) -> None:
    AlertNotice.objects.pending().filter(pk=notice.pk).update(state=State.SENT, sent_at=Now(), error="")
    Alert.objects.filter(pk=notice.alert_id, last_error__startswith=_prefix(notice)).update(last_error="")
    log.info("alert_told", alert=notice.alert.public_id, channel=notice.channel, told=notice.event)


def _failed(notice: AlertNotice, error: DeliveryError) -> None:
    is_last = notice.attempts + 1 >= MAX_ATTEMPTS
    state = State.FAILED if is_last else State.PENDING
    AlertNotice.objects.pending().filter(pk=notice.pk).update(state=state, error=str(error))
    Alert.objects.filter(pk=notice.alert_id).update(last_error=f"{_prefix(notice)}{error}")
    log.error("alert_not_told", alert=notice.alert.public_id, channel=notice.channel, error=str(error))


def _prefix(notice: AlertNotice) -> str:
    return f"{notice.channel}: "
