"""Which gateway takes a charge: the first rule that fits, whose gateway can take the card and is not known to be down.

Without any rule it is `DEFAULT_GATEWAY`. A gateway that the client named is never argued with.
"""

from collections.abc import Collection

from django.conf import settings

from orders.money import Money
from payments.errors import InvalidRequestError
from payments.gateways import registry as gateways
from payments.models import GatewayRoute


def choose(amount: Money, *, payment_method: str) -> str:
    """The gateway to try first. Where all that fit are down, the first: it may be up by the time it is asked."""
    if len(settings.GATEWAYS) == 1:
        return str(settings.DEFAULT_GATEWAY)
    fitting = _fitting(amount, payment_method)
    healthy = [gateway for gateway in fitting if gateways.is_up(gateway)]
    return next(iter(healthy or fitting), settings.DEFAULT_GATEWAY)


def choose_next(amount: Money, *, payment_method: str, tried: Collection[str]) -> str | None:
    """The gateway to try after those that were tried: one that is up, or none."""
    if len(settings.GATEWAYS) == 1:
        return None
    fitting = _fitting(amount, payment_method)
    return next((gateway for gateway in fitting if gateway not in tried and gateways.is_up(gateway)), None)


def retries_decline(gateway: str, decline_code: str, amount: Money) -> bool:
    """Whether a rule says that a card which `gateway` declined so is to be tried elsewhere."""
    rules = GatewayRoute.objects.for_amount(amount.amount_minor, amount.currency).filter(gateway=gateway)
    return any(rule.retries(decline_code) for rule in rules)


def _fitting(amount: Money, payment_method: str) -> list[str]:
    """Each once, in the order of the rules; a gateway that is no longer in use has no say."""
    rules = GatewayRoute.objects.for_amount(amount.amount_minor, amount.currency)
    named = dict.fromkeys(rule.gateway for rule in rules if rule.gateway in settings.GATEWAYS)
    return [gateway for gateway in named if _takes(gateway, payment_method)]


def _takes(gateway: str, payment_method: str) -> bool:
    try:
        gateways.gateway(gateway).require_known(payment_method)
    except InvalidRequestError:
        return False
    return True
