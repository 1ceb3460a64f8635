"""Which parts can be chosen by name, and where each is. A name that is not here stops the start.

A new one is a class of its protocol (`payments.gateways.base`) or a function, and a line here.
"""

from typing import Final

GATEWAYS: Final = {
    "adyen": "payments.gateways.adyen.gateway.AdyenGateway",
    "sandbox": "payments.gateways.sandbox.SandboxGateway",
    "stripe": "payments.gateways.stripe.intents.StripeGateway",
    "stripe_charges": "payments.gateways.stripe.charges.StripeChargesGateway",
}
CARRIERS: Final = {
    "sandbox": "payments.gateways.sandbox.SandboxCarrier",
}
ALERT_CHANNELS: Final = {
    "email": "payments.alerts.delivery.mail",
    "webhook": "payments.alerts.delivery.post_all",
}
