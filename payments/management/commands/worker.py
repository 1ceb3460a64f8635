import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from payments.events import rounds
from payments.sagas.worker import Worker
from payments.webhooks import inbox


class Command(BaseCommand):
    """Carries on whatever saga is due, and runs the periodic jobs, until it is told to stop (SIGTERM or Ctrl-C)."""

    help = "Carry on due sagas from the database and run the periodic jobs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, help="sagas carried on at once (4; 2 on SQLite)")
        parser.add_argument("--relay-threads", type=int, help="events sent to clients at once (4; 2 on SQLite)")
        parser.add_argument("--poll", type=float, default=0.5, help="seconds between looks at the database")
        parser.add_argument("--job-interval", type=float, default=30, help="seconds between rounds of periodic jobs")

    def handle(self, **options: Any) -> None:
        at_once = 2 if connection.vendor == "sqlite" else 4
        worker = Worker(
            threads=options["threads"] or at_once,
            poll=options["poll"],
            inbox=inbox.apply_next,
            relays=[rounds.relay_next] * (options["relay_threads"] or at_once),
            jobs=settings.PERIODIC_JOBS,
            job_interval=options["job_interval"],
        )
        for signum in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(signum) is not signal.SIG_IGN:  # Ctrl-C is for a supervisor to hear
                signal.signal(signum, lambda *_: worker.stop())
        worker.run()
