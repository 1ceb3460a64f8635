"""A process that asks the sandbox's adapter again and again, for as many seconds as it is told."""

import sys
from time import monotonic, sleep

import django


def main(seconds: float) -> None:
    django.setup()
    from orders.ids import new_id
    from payments.errors import CircuitOpenError, PaymentError
    from payments.gateways import registry
    from payments.gateways.base import Operation, Request

    gateway = registry.gateway("sandbox")
    end = monotonic() + seconds
    while monotonic() < end:
        try:
            gateway.look_up(Operation.AUTHORIZE, Request(f"key-{new_id()}", order="hammered"))
        except CircuitOpenError:
            sleep(0.01)
        except PaymentError:
            continue


if __name__ == "__main__":
    main(float(sys.argv[1]))
