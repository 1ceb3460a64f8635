"""What the worker does again and again: hand new events out, send what is due."""

from django.utils import timezone

from payments.events.delivery import deliver_next
from payments.events.fan_out import fan_out


def relay_next() -> bool:
    """False when there was nothing to do."""
    has_new = fan_out()
    return deliver_next(now=timezone.now()) or has_new
