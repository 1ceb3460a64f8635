"""What is done about endpoints: make, change, disable, enable and delete them, replace secrets, send once more."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from payments.errors import EndpointDeletedError, TooManyEndpointsError
from payments.models import ClientEvent, EventDelivery, WebhookEndpoint, WebhookSecret
from payments.models.client_events import ENDPOINT_DISABLED, TEST

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

MOST: Final = 50
"""Endpoints of one client: each event is sent to all that want it."""
OVERLAP_HOURS: Final = 24
"""How long a secret that is replaced goes on being valid, unless asked otherwise."""
MOST_SIGNATURES: Final = 10

State, Reason = WebhookEndpoint.State, WebhookEndpoint.Reason
_DISABLED: Final = "The endpoint was disabled."


def create(client: "User", *, url: str, kinds: Sequence[str]) -> tuple[WebhookEndpoint, WebhookSecret]:
    """An endpoint and its first secret, in the caller's transaction; raise TooManyEndpointsError."""
    get_user_model().objects.select_for_update().get(pk=client.pk)  # those who count do so one after the other
    if WebhookEndpoint.objects.undeleted().filter(client=client).count() >= MOST:
        raise TooManyEndpointsError
    endpoint = WebhookEndpoint.objects.create(client=client, url=url, kinds=list(kinds))
    return endpoint, WebhookSecret.objects.create(endpoint=endpoint)


def change(endpoint: WebhookEndpoint, **changes: Any) -> None:
    """Another `url`, other `kinds`; what is on its way goes to the new address. Raise EndpointDeletedError."""
    here = WebhookEndpoint.objects.undeleted().filter(pk=endpoint.pk)
    if changes and not here.update(updated_at=Now(), failures=0, rests_until=None, **changes):
        raise EndpointDeletedError
    endpoint.refresh_from_db()


def rotate_secret(endpoint: WebhookEndpoint, *, overlap: timedelta) -> WebhookSecret:
    """A new secret; the one so far is valid for `overlap` more. Raise EndpointDeletedError."""
    with transaction.atomic():
        locked = WebhookEndpoint.objects.undeleted().select_for_update()
        if not locked.filter(pk=endpoint.pk).exists():
            raise EndpointDeletedError
        WebhookSecret.objects.filter(endpoint=endpoint, expires_at__lte=Now()).delete()
        WebhookSecret.objects.filter(endpoint=endpoint, expires_at=None).update(expires_at=Now() + overlap)
        secret = WebhookSecret.objects.create(endpoint=endpoint)
    log.info("webhook_secret_rotated", endpoint=endpoint.public_id)
    return secret


def keys_in_force(endpoint: WebhookEndpoint) -> list[str]:
    """What its messages are signed with, the newest first."""
    valid = WebhookSecret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), endpoint=endpoint)
    return list(valid.order_by("-pk").values_list("key", flat=True)[:MOST_SIGNATURES])


def disable(endpoint: WebhookEndpoint, reason: "WebhookEndpoint.Reason" = Reason.REQUEST) -> None:
    """Send nothing any more, neither what is on its way; raise InvalidTransition when it is not enabled."""
    with transaction.atomic():
        endpoint.move(State.DISABLED, disabled_reason=reason, disabled_at=Now())
        _drop_pending(endpoint)
    log.warning("webhook_endpoint_disabled", endpoint=endpoint.public_id, reason=reason)


def disable_failed(endpoint: WebhookEndpoint, reason: "WebhookEndpoint.Reason") -> None:
    """Nothing gets through, or nothing is wanted: the client hears of it elsewhere, and people by a watcher.

    Nothing to do where somebody was first.
    """
    try:
        with transaction.atomic():
            disable(endpoint, reason)
            data = {"object": "webhook_endpoint", "status": endpoint.state, "reason": str(reason)}
            ClientEvent.objects.tell(ENDPOINT_DISABLED, endpoint.public_id, data, client_id=endpoint.client_id)
    except InvalidTransition:
        log.info("webhook_endpoint_not_disabled", endpoint=endpoint.public_id)


def enable(endpoint: WebhookEndpoint) -> None:
    """Send what happens from now on; raise InvalidTransition when it is not disabled."""
    with transaction.atomic():
        fresh = {"disabled_reason": "", "disabled_at": None, "failures": 0, "rests_until": None, "enabled_at": Now()}
        endpoint.move(State.ENABLED, **fresh)
        _drop_pending(endpoint)
    log.info("webhook_endpoint_enabled", endpoint=endpoint.public_id)


def delete(endpoint: WebhookEndpoint) -> None:
    """For good: its secrets are gone, and what was sent is kept; raise InvalidTransition when it is deleted already."""
    with transaction.atomic():
        endpoint.move(State.DELETED, disabled_reason="", disabled_at=None)
        WebhookSecret.objects.filter(endpoint=endpoint).delete()
        _drop_pending(endpoint)
    log.info("webhook_endpoint_deleted", endpoint=endpoint.public_id)


def send_test(endpoint: WebhookEndpoint) -> EventDelivery:
    """A made-up event for this endpoint alone, whatever it wants; raise InvalidTransition when it is not enabled."""
    with transaction.atomic():
        _require_enabled(endpoint)
        data = {"object": "webhook_endpoint", "status": endpoint.state}
        event = ClientEvent.objects.tell(
            TEST, endpoint.public_id, data, client_id=endpoint.client_id, fanned_out_at=Now()
        )
        return EventDelivery.objects.create(event=event, endpoint=endpoint)


def resend(delivery: EventDelivery) -> None:
    """Begin anew, whatever became of it, under the same id.

    Raise InvalidTransition where nothing is sent to, and while a worker may still be at it.
    """
    with transaction.atomic():
        _require_enabled(delivery.endpoint)
        idle = EventDelivery.objects.idle().filter(pk=delivery.pk)
        anew = {"state": EventDelivery.State.PENDING, "attempts_before": F("attempts")}
        if not idle.update(begun_at=Now(), next_attempt_at=Now(), **anew):
            raise InvalidTransition("It has just been sent: wait a minute.", delivery=delivery.public_id)
        WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(rests_until=None)
    delivery.refresh_from_db()


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    """Locks it: nothing becomes due behind the back of whoever disables it."""
    locked = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk, state=State.ENABLED)
    if not locked.exists():
        raise InvalidTransition("The endpoint is not enabled.", endpoint=endpoint.public_id)


def _drop_pending(endpoint: WebhookEndpoint) -> None:
    pending = EventDelivery.objects.pending().filter(endpoint=endpoint)
    pending.update(state=EventDelivery.State.FAILED, error=_DISABLED)
