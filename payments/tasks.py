"""Nudges over a broker. Losing every one of them costs time and nothing else: the worker's sweep reads the database."""

import os
import socket
from uuid import UUID

from celery import shared_task

from payments.sagas import engine


@shared_task(ignore_result=True)
def advance(saga_id: str) -> None:
    engine.advance(UUID(saga_id), owner=f"celery:{socket.gethostname()}:{os.getpid()}")
