"""The sandbox as a process: its options, its threads, and how it ends."""

import os
import signal
import sqlite3
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from payments.sandbox.appointments import keep_appointments
from payments.sandbox.background import Background
from payments.sandbox.calls import Calls
from payments.sandbox.control import Site
from payments.sandbox.faults import Faults
from payments.sandbox.journal import Journal
from payments.sandbox.server import Server
from payments.sandbox.webhooks import Sender

SIGNALS = (signal.SIGTERM, signal.SIGINT)
THREADS_END_WITHIN_SECONDS = 1.0


class CannotStart(Exception):
    """The port or the journal cannot be had; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    port: int
    """0 picks a free one."""
    journal: Path
    webhook_url: str | None
    webhook_secrets: Sequence[str]
    public_url: str | None = None
    """Under which a customer's browser reaches the challenge page; default: where the server listens."""


def add_arguments(parser: ArgumentParser, *, port: int, journal: Path | None) -> None:
    """The options that both ways of starting have in common, with their defaults."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port, help=f"default {port}; 0 picks a free one")
    parser.add_argument("--journal", type=Path, default=journal, required=journal is None, help="SQLite file")
    parser.add_argument(
        "--webhook-url",
        default=os.environ.get("SANDBOX_WEBHOOK_URL") or None,
        help="where events are sent; default SANDBOX_WEBHOOK_URL; without one they stay in the outbox",
    )
    parser.add_argument("--public-url", default=None, help="where browsers reach the challenge page")


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart. For the main thread."""
    # Blocked in every thread, and taken by sigwait: no handler interrupts a commit.
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        journal, server = _open_journal(options.journal), _open_port(options)
        try:
            _serve(options, journal, server)
        finally:
            journal.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _open_journal(path: Path) -> Journal:
    try:
        return Journal(path)
    except (OSError, sqlite3.Error) as error:
        raise CannotStart(f"journal {path}: {error}") from error


def _open_port(options: Options) -> Server:
    try:
        return Server(options.host, options.port)
    except (OSError, OverflowError) as error:
        raise CannotStart(f"{options.host}:{options.port}: {error}") from error


def _serve(options: Options, journal: Journal, server: Server) -> None:
    calls = Calls(journal, Faults(), public_url=(options.public_url or server.url).rstrip("/"))
    server.site = Site(calls, server.refuse_connections)
    threads = [threading.Thread(target=server.serve, name="accept", daemon=True), *_background(options, calls)]
    for thread in threads:
        thread.start()
    sys.stdout.write(f"sandbox gateway listening on {server.url}\n")
    sys.stdout.flush()
    signal.sigwait(SIGNALS)
    calls.stop()
    server.stop()
    for thread in threads:
        thread.join(THREADS_END_WITHIN_SECONDS)


def _background(options: Options, calls: Calls) -> list[threading.Thread]:
    threads: list[threading.Thread] = [Background("appointments", calls, lambda: keep_appointments(calls))]
    if options.webhook_url:
        sender = Sender(calls, options.webhook_url, secrets=options.webhook_secrets)
        threads.append(Background("webhooks", calls, sender.send_what_is_due))
    return threads
