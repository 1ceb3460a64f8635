"""`python -m payments.sandbox`: the sandbox without Django, for tests."""

import sys
from argparse import ArgumentParser

from payments.sandbox.process import CannotStart, Options, add_arguments, run

DEV_SECRET = "whsec_sandbox"  # noqa: S105  The published default of development; it opens nothing.


def main() -> int:
    parser = ArgumentParser(prog="payments.sandbox", description=__doc__)
    add_arguments(parser, port=8001, journal=None)
    parser.add_argument("--webhook-secret", action="append", default=[], help="may be given several times")
    chosen = parser.parse_args()
    secrets = chosen.webhook_secret or [DEV_SECRET]
    try:
        run(Options(chosen.host, chosen.port, chosen.journal, chosen.webhook_url, secrets, chosen.public_url))
    except CannotStart as error:
        sys.stderr.write(f"sandbox gateway: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
