"""`python -m tests.crash.wrong_clock SECONDS COMMAND...`: a management command in a process whose clock is wrong.

Everything that Python reads of the time of day is off by so much, from before Django is imported; the monotonic clock
is right, as it is where a machine's clock is set wrong. The database keeps its own.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import time_machine

if __name__ == "__main__":
    wrong = datetime.now(UTC) + timedelta(seconds=float(sys.argv[1]))
    time_machine.travel(wrong, tick=True).start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *sys.argv[2:]])
