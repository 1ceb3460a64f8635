"""Whoever tries stolen cards is told by what the gateway declines: to one client, on one card, from one address.

What the fraud rules block never reached a gateway, and does not count. Nothing but time ends it.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db.models import F, Q
from prometheus_client import Counter

from orders.ids import first_id, made_at
from payments.errors import CardTestingSuspectedError
from payments.models import ChargeAttempt

WINDOW: Final = timedelta(minutes=10)
_PRECISION: Final = timedelta(milliseconds=1)

SUSPECTED = Counter("paydesk_card_testing_suspected_total", "Checkouts refused after many declines.", ["same"])

log = structlog.get_logger(__name__)


def require_none(*, client_id: int, payment_method: str, customer_ip: str, now: datetime) -> None:
    """Raise CardTestingSuspectedError where `CARD_TESTING_DECLINES` attempts within `WINDOW` have been declined.

    An attempt counts from its beginning, once it is declined: as many as are under way at the same time may still
    follow.
    """
    same = {"client": client_id, "card": payment_method, "address": customer_ip}
    declined = _declined(same, now)
    ends = {name: _end([row["pk"] for row in declined if row[name] == fact]) for name, fact in same.items() if fact}
    full = {name: end for name, end in ends.items() if end is not None}
    if not full:
        return
    for name in full:
        SUSPECTED.labels(name).inc()
    log.warning("card_testing_suspected", same=sorted(full), client=client_id, declines=len(declined))
    raise CardTestingSuspectedError(retry_after=(max(full.values()) - now).total_seconds())


def _declined(same: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Newest first. Ids are in the order of time, so one range of the index `charge_by_status` holds the window."""
    client, card, address = F("order__client_id"), F("payment_method"), F("saga__context__customer_ip")
    recent = ChargeAttempt.objects.filter(status=ChargeAttempt.Status.DECLINED, pk__gte=first_id(now - WINDOW))
    about = Q(client=same["client"]) | Q(card=same["card"])
    if same["address"]:
        about |= Q(address=same["address"])
    rows = recent.annotate(client=client, card=card, address=address).filter(about)
    return list(rows.order_by("-pk").values("pk", *same))


def _end(declined: list[Any]) -> datetime | None:
    """When too few of these will be left in the window; None if there are too few now."""
    limit = settings.CARD_TESTING_DECLINES
    return made_at(declined[limit - 1]) + WINDOW + _PRECISION if len(declined) >= limit else None
