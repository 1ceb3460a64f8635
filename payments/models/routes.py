from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from orders.money import currencies


class RouteQuerySet(models.QuerySet["GatewayRoute"]):
    def for_amount(self, amount_minor: int, currency: str) -> Self:
        """The rules in force for a charge, the first to be followed first."""
        is_enough = Q(from_minor=None) | Q(from_minor__lte=amount_minor)
        is_not_too_much = Q(below_minor=None) | Q(below_minor__gt=amount_minor)
        is_for = Q(currency="") | Q(currency=currency)
        return self.filter(is_enough, is_not_too_much, is_for, is_on=True).order_by("priority", "pk")


class GatewayRoute(models.Model):
    """A rule of which gateway takes a charge whose client has named none."""

    priority = models.PositiveSmallIntegerField(default=100, help_text="The smallest is tried first.")
    gateway = models.CharField(max_length=32)
    currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217; empty for any.")
    from_minor = models.BigIntegerField(
        "from", null=True, blank=True, help_text="In the currency's minor unit, such as cents; empty for any amount."
    )
    below_minor = models.BigIntegerField("below", null=True, blank=True, help_text="In the currency's minor unit.")
    retried_declines = models.CharField(
        max_length=500,
        blank=True,
        help_text="Decline codes, separated by commas, after which the next gateway is tried. Empty: after none.",
    )
    is_on = models.BooleanField("in force", default=True)

    objects = RouteQuerySet.as_manager()

    class Meta:
        verbose_name = "route"
        ordering: ClassVar = ["priority", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(from_minor=None, below_minor=None) | ~Q(currency=""), name="route_amount_has_currency"
            ),
            models.CheckConstraint(
                condition=Q(from_minor=None) | Q(below_minor=None) | Q(from_minor__lt=F("below_minor")),
                name="route_amounts_leave_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency or 'any currency'} to {self.gateway}"

    def clean(self) -> None:
        faults: dict[str, Any] = {}
        if self.gateway not in settings.GATEWAYS:
            faults["gateway"] = f"No gateway of this name is in use; there are: {', '.join(settings.GATEWAYS)}."
        if self.currency and self.currency not in currencies():
            faults["currency"] = "This is no ISO 4217 code."
        if not self.currency and (self.from_minor is not None or self.below_minor is not None):
            faults["currency"] = "Amounts need a currency."
        if faults:
            raise ValidationError(faults)

    def retries(self, decline_code: str) -> bool:
        return decline_code in {code.strip() for code in self.retried_declines.split(",") if code.strip()}
