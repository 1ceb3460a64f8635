"""Celery carries "look at saga X" and nothing else: losing every message costs time, never a saga."""

import os
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

HAS_NO_ACKS: Final = (settings.CELERY_BROKER_URL or "").startswith("redis")
"""Over Redis an acknowledgement is a call that can time out, and a worker whose acknowledgements did is deaf for ever.
A nudge needs none: it is taken when a process is free, and when that dies, a sweep finds the saga."""

app = Celery("paydesk")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL or "memory://",
    broker_connection_timeout=2,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
    result_backend=None,
    task_default_queue=settings.CELERY_QUEUE,
    task_queues=[Queue(settings.CELERY_QUEUE, no_ack=HAS_NO_ACKS)],
    task_default_delivery_mode="transient",
    task_ignore_result=True,
    task_acks_late=False,
    task_serializer="json",
    accept_content=["json"],
    task_publish_retry=False,
    task_time_limit=max(1.0, settings.SAGA_LEASE_SECONDS - 1),
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=HAS_NO_ACKS,
    worker_consumer="config.celery_worker:Listener",
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    timezone="UTC",
)
app.steps["worker"].add("config.celery_worker:Sweep")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _keep_ours(**_: Any) -> None:
    """A receiver of this signal keeps Celery from setting up logging: Django's settings did."""
