"""The formats that are known, each by the headers its gateway really writes."""

from typing import Final

from reconciliation.reports.formats.adyen import AdyenSettlement
from reconciliation.reports.formats.base import Format
from reconciliation.reports.formats.generic import Generic
from reconciliation.reports.formats.paypal import PayPalSettlement
from reconciliation.reports.formats.sandbox import Sandbox
from reconciliation.reports.formats.stripe import StripeDashboard, StripeItemized

FORMATS: Final[dict[str, type[Format]]] = {
    each.name: each for each in (StripeItemized, StripeDashboard, AdyenSettlement, PayPalSettlement, Sandbox, Generic)
}
"""By the name a caller may give."""
