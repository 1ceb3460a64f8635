"""What is kept for some time only: idempotency keys and the record of calls to gateways.

Keys are forgotten `IDEMPOTENCY_KEY_DAYS` after their answer was settled, and never while a saga is open.

The days count from the answer, not from the first use: whoever has asked again and again how a long saga ended must
find it, instead of beginning another one. A saga that is over outlives its key.
"""

from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from payments.models import GatewayCall, IdempotencyKey, SagaExecution

BATCH: Final = 500
BATCHES: Final = 20
"""What one run of the job does at most; the next one goes on."""

log = structlog.get_logger(__name__)


def reap_idempotency_keys() -> None:
    """A periodic job."""
    kept = timedelta(days=settings.IDEMPOTENCY_KEY_DAYS)
    reaped = 0
    for _ in range(BATCHES):
        batch = reap(kept, limit=BATCH)
        reaped += batch
        if batch < BATCH:
            break
    if reaped:
        log.info("idempotency_keys_reaped", keys=reaped)


def reap(kept: timedelta, *, limit: int) -> int:
    """Forget at most `limit` keys settled longer than `kept` ago, in one commit; return how many.

    Several at once pass over each other's keys. A saga leaves no final state, so nothing can take up what is forgotten.
    """
    with transaction.atomic():
        locked = _reapable(kept).select_for_update(skip_locked=True, of=("self",))
        keys = list(locked.order_by("created_at").values_list("pk", flat=True)[:limit])
        sagas = SagaExecution.objects.filter(idempotency_key__in=keys, state__in=SagaExecution.FINAL)
        sagas.update(idempotency_key=None)
        return IdempotencyKey.objects.filter(pk__in=keys, saga=None).only("pk").delete()[0]


def _reapable(kept: timedelta) -> QuerySet[IdempotencyKey]:
    """Nothing is settled before it begins: `created_at` is what the index knows, `frozen_at` is what counts."""
    long_ago = Now() - kept
    is_settled = Q(frozen_at__lt=long_ago) & (Q(saga=None) | Q(saga__state__in=SagaExecution.FINAL))
    return IdempotencyKey.objects.filter(is_settled, created_at__lt=long_ago)


def prune_gateway_calls() -> None:
    """A periodic job."""
    kept = timedelta(days=settings.GATEWAY_CALL_DAYS)
    pruned = 0
    for _ in range(BATCHES):
        old = GatewayCall.objects.filter(at__lt=Now() - kept).order_by("at").values("pk")[:BATCH]
        batch = GatewayCall.objects.filter(pk__in=old).delete()[0]
        pruned += batch
        if batch < BATCH:
            break
    if pruned:
        log.info("gateway_calls_pruned", calls=pruned)
