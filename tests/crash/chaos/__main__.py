"""`python -m tests.crash.chaos`: check out thousands of orders under faults, and judge what became of them."""

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import django

from tests.crash.chaos import plan
from tests.crash.chaos.site import Site, site
from tests.services import ServiceError

CLIENT_PATIENCE: Final = 240.0
SETTLE_PATIENCE: Final = 180.0


def main() -> int:
    options = _arguments()
    print(f"chaos: PAYDESK_SEED={options.seed}, {options.checkouts} checkouts", flush=True)
    try:
        with ExitStack() as stack:
            folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-chaos-"))
            place = stack.enter_context(site(Path(folder), on_sqlite=options.sqlite))
            os.environ.update(place.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"})
            django.setup()
            return _run(options, place)
    except ServiceError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.chaos", description=__doc__)
    parser.add_argument("--checkouts", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--seed", type=int, default=_seed(), help="to see again what was seen (PAYDESK_SEED, random)")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite, without Redis")
    parser.add_argument("--only", action="append", choices=plan.KINDS, help="faults of this kind alone; several times")
    parser.add_argument("--every", type=float, default=3, help="a fault for so many checkouts, on the average (3)")
    parser.add_argument("--at-once", type=int, default=24, help="clients at once (24)")
    parser.add_argument("--folder", help="where journal and log stay behind; else they are removed")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    kinds = options.only or plan.KINDS
    options.kinds = [kind for kind in kinds if not options.sqlite or kind not in {**plan.POSTGRESQL, **plan.REDIS}]
    return options


def _seed() -> int:
    return int(os.environ.get("PAYDESK_SEED") or secrets.randbits(32))


def _run(options: argparse.Namespace, place: Site) -> int:
    # These need Django, and Django the site's settings.
    from tests.crash.chaos import aftermath
    from tests.crash.chaos.clients import Clients
    from tests.crash.chaos.faults import Faults

    tokens = aftermath.prepare()
    name, sandbox = str(options.seed), place.sandbox
    clients = Clients(place.url, sandbox.url, tokens=tokens, name=name, patience=CLIENT_PATIENCE)
    faults = Faults(place)
    started = time.monotonic()
    with place.running():
        running = clients.run(plan.errands(options.seed, options.checkouts), at_once=options.at_once)
        troubles = plan.troubles(options.seed, kinds=options.kinds, every=options.every)
        faults.run(troubles, progress=lambda: clients.done, until=running.is_over)
        running.result()
        under_faults = time.monotonic() - started
        left = aftermath.settle(place, patience=SETTLE_PATIENCE)
    wrong, figures = aftermath.judge(place, clients)
    wrong += [f"Everything settles. {what} left" for what in left]
    told = {
        "seed": options.seed,
        "checkouts": options.checkouts,
        "seconds under faults": round(under_faults),
        "seconds": round(time.monotonic() - started),
        "faults": dict(faults.done.most_common()),
        "ends": dict(clients.ends.most_common()),
        "answers": dict(clients.answers.most_common()),
        **figures,
        "violations": wrong,
    }
    _report(told, aftermath.story(place, wrong))
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))
    return 1 if wrong else 0


def _report(told: dict[str, Any], story: list[str]) -> None:
    for what, figure in told.items():
        if isinstance(figure, dict):
            print(f"chaos: {what}: {sum(figure.values())}")
            for name, count in figure.items():
                print(f"  {count:6} {name}")
        elif what != "violations":
            print(f"chaos: {what}: {figure}")
    for line in [*told["violations"], *story]:
        print(line)
    print(
        f"chaos: {'FAILED' if told['violations'] else 'every invariant holds'}, PAYDESK_SEED={told['seed']}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
