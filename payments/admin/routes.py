"""The rules by which a charge finds its gateway: rows that operators keep."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin

from orders.admin.marks import NOTHING
from orders.money import Money, currencies
from payments.models import GatewayRoute


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]
    """Offers the gateways that are in use; a route to one that no longer is can be seen, and changed to another."""

    gateway = forms.ChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gateway"] = forms.ChoiceField(choices=[(name, name) for name in settings.GATEWAYS])

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


@admin.register(GatewayRoute)
class GatewayRouteAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = RouteForm
    list_display = ("priority", "__str__", "amounts", "retried_declines", "is_on")
    list_display_links = ("__str__",)
    list_filter = ("gateway", "is_on")
    ordering = ("priority", "pk")
    fields = ("priority", "gateway", "currency", "from_minor", "below_minor", "retried_declines", "is_on")

    @admin.display(description="Amounts")
    def amounts(self, route: GatewayRoute) -> str:
        if route.from_minor is None and route.below_minor is None:
            return "any"
        since, until = _money(route.from_minor, route.currency), _money(route.below_minor, route.currency)
        return f"from {since}" if not until else f"{since or 'anything'} to below {until}"


def _money(amount_minor: int | None, currency: str) -> str:
    if amount_minor is None:
        return ""
    return str(Money(amount_minor, currency)) if currency in currencies() else NOTHING
