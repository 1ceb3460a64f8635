"""The ways out: mail to people, and a signed POST to a machine. Each says only whether it got through."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache

import urllib3
from django.conf import settings
from django.core.mail import EmailMessage
from urllib3.exceptions import HTTPError

from payments.alerts import kinds
from payments.models import AlertNotice
from payments.outbound import signing

EMAIL, WEBHOOK = "email", "webhook"
TIMEOUT = urllib3.Timeout(connect=2, read=5, total=5)

HEADINGS = {
    AlertNotice.Event.OPENED: "NEW",
    AlertNotice.Event.REPEATED: "STILL SO",
    AlertNotice.Event.RESOLVED: "OVER",
}


class DeliveryError(Exception):
    """It did not get through. The message names neither an address nor a secret: it is shown and logged."""


def configured() -> list[str]:
    wanted = {EMAIL: settings.ALERT_EMAILS, WEBHOOK: settings.ALERT_WEBHOOK_URL}
    return [channel for channel in settings.ALERT_CHANNELS if wanted[channel]]


def send_mail(notices: Sequence[AlertNotice]) -> None:
    """One mail, however much there is to tell. Raise DeliveryError."""
    first, *others = notices
    subject = f"[Paydesk] {_headline(first)}" + (f" and {len(others)} more" if others else "")
    text = "\n\n".join(_paragraph(notice) for notice in notices)
    try:
        EmailMessage(subject, f"{text}\n", to=settings.ALERT_EMAILS).send()
    except Exception as error:  # whatever a mail backend raises means the same here
        raise DeliveryError(type(error).__name__) from error


def post(notice: AlertNotice, *, now: datetime) -> None:
    """Raise DeliveryError unless the receiver answers with a 2xx in time."""
    body = json.dumps(notice.body).encode()
    signed = signing.headers(
        settings.ALERT_WEBHOOK_SECRET or "", message_id=notice.public_id, timestamp=int(now.timestamp()), body=body
    )
    headers = {"Content-Type": "application/json", **signed}
    try:
        answer = _http().request("POST", settings.ALERT_WEBHOOK_URL or "", body=body, headers=headers, redirect=False,
                                 preload_content=False)  # fmt: skip
        answer.close()  # whatever it says beside its status is not read
    except HTTPError as error:
        raise DeliveryError(type(error).__name__) from error
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"answered {answer.status}")


@cache
def _http() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, timeout=TIMEOUT)


def _headline(notice: AlertNotice) -> str:
    return f"{HEADINGS[AlertNotice.Event(notice.event)]}: {kinds.named(notice.alert.kind).title}"


def _paragraph(notice: AlertNotice) -> str:
    facts, kind = notice.body["data"], kinds.named(notice.alert.kind)
    more = f" More: {kind.more}" if kind.more else ""
    to_do = "" if notice.event == AlertNotice.Event.RESOLVED else f"\n{kind.advice}{more}"
    return f"{_headline(notice)}\n{facts['summary']}{to_do}\nSince {facts['opened_at']}: {facts['url']}"
