"""Which gateway answers to which name. Adapters are made once in each process and keep their connections."""

from functools import cache

from django.conf import settings

from payments.errors import UnknownGatewayError
from payments.gateways.base import Carrier, PaymentGateway
from payments.gateways.resilience.guarded import GuardedCarrier, GuardedGateway, peer_of_carrier
from payments.gateways.sandbox import SandboxCarrier, SandboxGateway

_GATEWAYS = {"sandbox": SandboxGateway}


@cache
def _made(name: str) -> PaymentGateway:
    return GuardedGateway(_GATEWAYS[name]())


def gateway(name: str) -> PaymentGateway:
    """Raise UnknownGatewayError when `name` is not configured."""
    if name not in settings.GATEWAYS or name not in _GATEWAYS:
        raise UnknownGatewayError(f"No gateway {name!r} here; there are: {', '.join(settings.GATEWAYS)}.")
    return _made(name)


@cache
def carrier() -> Carrier:
    return GuardedCarrier(SandboxCarrier())


def carrier_name() -> str:
    """What breaker, metrics and record call the carrier."""
    return peer_of_carrier(SandboxCarrier.name)
