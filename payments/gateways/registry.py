"""Which gateway answers to which name. Adapters are made once in each process and keep their connections."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from payments.errors import UnknownGatewayError
from payments.gateways.base import Carrier, PaymentGateway
from payments.gateways.resilience.guarded import GuardedCarrier, GuardedGateway, peer_of_carrier


def gateway(name: str) -> PaymentGateway:
    """Raise UnknownGatewayError when `name` is not configured."""
    if name not in settings.GATEWAYS:
        raise UnknownGatewayError(f"No gateway {name!r} here; there are: {', '.join(settings.GATEWAYS)}.")
    return _made(name)


@cache
def _made(name: str) -> GuardedGateway:
    return GuardedGateway(import_string(settings.GATEWAY_ADAPTERS[name])())


def is_up(name: str) -> bool:
    """Whether nothing is known against asking this gateway now."""
    return _made(name).is_up()


@cache
def carrier() -> Carrier:
    return GuardedCarrier(import_string(settings.CARRIER_ADAPTERS[settings.CARRIER])())


def carrier_name() -> str:
    """What breaker, metrics and record call the carrier."""
    return peer_of_carrier(settings.CARRIER)
