import getpass
import os
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from orders.errors import InvalidTransition
from payments import captures
from payments.models import CaptureStop, SagaExecution
from payments.sagas.run import CAPTURES_STOPPED

if TYPE_CHECKING:
    from argparse import _SubParsersAction


class Command(BaseCommand):
    help = "Stop all captures at once, let them go on, or say how it stands."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="stop|resume|status")
        _add_change(actions, "stop", "begin no capture any more; what was sent is finished")
        _add_change(actions, "resume", "let captures go on, and wake all that wait")
        actions.add_parser("status", help="say whether captures are stopped, since when, by whom and why")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "status":
            self.stdout.write(_status())
            return
        try:
            self._change(action, by=_actor(options["by"]), reason=options["reason"].strip())
        except InvalidTransition as error:
            raise CommandError(error.detail) from error

    def _change(self, action: str, *, by: User | str, reason: str) -> None:
        if not reason or len(reason) > captures.LONGEST_REASON:
            raise CommandError(f"--reason is 1 to {captures.LONGEST_REASON} characters")
        if action == "stop":
            captures.stop_captures(by=by, reason=reason)
            self.stdout.write("captures are stopped")
        else:
            woken = captures.resume_captures(by=by, reason=reason)
            self.stdout.write(
                f"captures go on; {woken} that waited for it go on within {captures.SPREAD.seconds} seconds"
            )


def _add_change(actions: "_SubParsersAction[Any]", name: str, what: str) -> None:
    parser = actions.add_parser(name, help=what)
    parser.add_argument("--reason", required=True, help="why; it is kept, and shown to everybody in the back office")
    parser.add_argument("--by", metavar="USERNAME", help="who does it; without it, the operating system's user")


def _actor(username: str | None) -> User | str:
    if username is None:
        return f"{_system_user()} (operating system)"
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"there is no active user {username!r}")
    return user


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"user {os.getuid()}"


def _status() -> str:
    stop = CaptureStop.objects.in_force()
    if stop is None:
        return "captures go on"
    waiting = SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE, waiting_for=CAPTURES_STOPPED).count()
    since = f"{stop.stopped_at:%Y-%m-%d %H:%M} UTC"
    return f"captures are stopped since {since} by {stop.stopped_by}: {stop.reason}\n{waiting} wait for it"
