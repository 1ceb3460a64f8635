"""Gunicorn's configuration: `gunicorn config.wsgi -c python:config.gunicorn`.

Threads wait for gateways at no cost, so one process with many of them is the default; memory is a process's own, so
several processes want Redis.
"""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    from config import settings
except ImproperlyConfigured as error:
    sys.exit(str(error))

from config.logging import configure
from config.supervisor import end_with_parent

configure(settings.LOGGING)

wsgi_app = "config.wsgi"
bind = f"{settings.WEB_HOST}:{settings.PORT}"
worker_class = "gthread"
workers = settings.WEB_CONCURRENCY
threads = settings.WEB_THREADS
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # heartbeats must not wait for a disk
graceful_timeout = 30
keepalive = 5
control_socket_disable = True  # nothing uses it, and a killed process would leave it behind
logconfig_dict = settings.LOGGING
accesslog = None  # `request_finished` is the access log

METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
_own_metrics = ""
if workers > 1 and not os.environ.get(METRICS_DIR):
    _own_metrics = os.environ[METRICS_DIR] = tempfile.mkdtemp(prefix="paydesk-metrics-")


def post_fork(_server: Any, _worker: Any) -> None:
    """A worker must not outlive its master and hold the port."""
    end_with_parent(signal.SIGTERM)


def child_exit(_server: Any, worker: Any) -> None:
    if os.environ.get(METRICS_DIR):
        from prometheus_client import multiprocess  # it reads the folder's name when it is imported

        multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    if _own_metrics:
        shutil.rmtree(_own_metrics, ignore_errors=True)
