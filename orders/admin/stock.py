"""Stock is changed by a difference, never by a new total: checkouts reserve from the same row meanwhile."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminIntegerFieldWidget, AdminTextInputWidget
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from orders.errors import OutOfStock
from orders.models import StockItem

MOST = 2**31 - 1
"""What the column holds on every database."""


class StockItemForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    adjust_by = forms.IntegerField(
        label="Add or remove",
        required=False,
        min_value=-MOST,
        max_value=MOST,
        widget=AdminIntegerFieldWidget,
        help_text="How many were put on the shelf, or taken from it with a minus sign before.",
    )
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=200,
        widget=AdminTextInputWidget,
        help_text="Kept in the item's history; needed for a difference.",
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("adjust_by") and not data.get("reason"):
            self.add_error("reason", "Say why the stock is changed.")
        return data


@admin.register(StockItem)
class StockItemAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("sku", "name", "available")
    search_fields = ("sku", "name")
    search_help_text = "SKU or name"
    show_full_result_count = False
    form = StockItemForm
    add_fields: ClassVar = ("sku", "name", "available")
    change_fields: ClassVar = ("sku", "name", "available", "adjust_by", "reason")

    def get_fields(self, request: HttpRequest, obj: StockItem | None = None) -> Any:
        if obj is None:
            return self.add_fields
        return self.change_fields if self.has_change_permission(request, obj) else self.add_fields

    def get_readonly_fields(self, request: HttpRequest, obj: StockItem | None = None) -> Any:
        return ("sku", "available") if obj else ()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Stock", **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: StockItem, form: Any, change: bool) -> None:
        """Raise OutOfStock when less than nothing, or more than can be counted, would be left."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        difference = form.cleaned_data["adjust_by"] or 0
        room = StockItem.objects.filter(pk=obj.pk, available__gte=-difference, available__lte=MOST - difference)
        if not room.update(name=obj.name, available=F("available") + difference):
            raise OutOfStock(_why_not(obj, difference), sku=obj.sku)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OutOfStock as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        difference = form.cleaned_data.get("adjust_by")
        if not difference:
            return super().construct_change_message(request, form, formsets, add)
        return f"{difference:+,} in stock: {form.cleaned_data['reason']}"


def _why_not(item: StockItem, difference: int) -> str:
    left = StockItem.objects.values_list("available", flat=True).get(pk=item.pk)
    if difference < 0:
        return f"Nothing was changed: there are {left:,} of {item.sku} left, so {-difference:,} cannot be removed."
    return f"Nothing was changed: {difference:,} more of {item.sku} than the {left:,} there are cannot be counted."
