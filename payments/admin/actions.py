"""What a person may do to an order: give money back, or cancel it. A GET asks, a POST does, once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orders.admin.marks import money, page_url
from orders.errors import DomainError
from orders.models import Order
from orders.money import Money, exponent
from payments import services
from payments.models import ChargeAttempt, IdempotencyKey, Refund
from payments.models.idempotency import FORM

JUST_NOW = timedelta(minutes=15)
"""A refund of the same amount within this time has to be confirmed."""
MAY_REFUND = "payments.add_refund"
MAY_CANCEL = "orders.change_order"


class ReasonForm(forms.Form):
    """`once` makes a form that is sent twice act once."""

    reason = forms.CharField(label="Why", max_length=200, widget=AdminTextInputWidget)
    once = forms.CharField(widget=forms.HiddenInput, max_length=64)


class RefundForm(ReasonForm):
    """An amount in major units, up to what the charge still holds."""

    field_order = ("amount", "reason", "again")

    def __init__(self, *args: Any, charge: ChargeAttempt, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._digits = exponent(charge.currency)
        self._just_now = _given_back_just_now(charge)
        if self._just_now:
            self.fields["again"] = forms.BooleanField(label="Yes, once more", required=False)
        self.fields["amount"] = forms.DecimalField(
            label=f"Amount in {charge.currency}",
            min_value=Decimal(1).scaleb(-self._digits),
            max_value=Money(charge.refundable_minor, charge.currency).amount,
            decimal_places=self._digits,
            help_text=f"At most {money(charge.refundable_minor, charge.currency)}, all that is left.",
        )
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        """The same amount as a moment ago is meant so, or is a form that a browser has brought back."""
        data = super().clean() or self.cleaned_data
        if "amount" in data and self.amount_minor in self._just_now and not data.get("again"):
            self.add_error("again", "This very amount went back a moment ago. Tick this to give it back once more.")
        return data

    @property
    def amount_minor(self) -> int:
        return int(self.cleaned_data["amount"].scaleb(self._digits))


class OrderActions:
    """Mixed into the order's admin: its pages for refunding and cancelling, and the links to them."""

    admin_site: Any
    log_change: Callable[..., Any]
    message_user: Callable[..., None]
    get_object: Callable[..., Any]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<path:object_id>/refund/", self.admin_site.admin_view(self.refund), name="orders_order_refund"),
            path("<path:object_id>/cancel/", self.admin_site.admin_view(self.cancel), name="orders_order_cancel"),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        links = {"actions_on_record": _links(request, order) if order else []}
        page: HttpResponse = super().change_view(  # type: ignore[misc]
            request, object_id, form_url, {**(extra_context or {}), **links}
        )
        return page

    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give part or all of what was captured back to the customer."""
        order = self._order(request, object_id, MAY_REFUND)
        charge = _refundable(order)
        if charge is None:
            self.message_user(request, "There is nothing to give back on this order.", messages.WARNING)
            return HttpResponseRedirect(page_url(order))
        if IdempotencyKey.objects.filter(client=_person(request), key=_key(request.POST.get("once"))).exists():
            return self._sent_twice(request, order)
        form = RefundForm(request.POST or None, charge=charge, initial=_initial(charge))
        if request.method == "POST" and form.is_valid():
            return self._done(request, order, lambda: self._give_back(request, order, charge, form))
        left = money(charge.refundable_minor, charge.currency)
        return self._ask(request, order, form, "Refund", f"{left} of this order can go back to the customer's card.")

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the order; a checkout under way is stopped where that is still safe."""
        order = self._order(request, object_id, MAY_CANCEL)
        form = ReasonForm(request.POST or None, initial=_initial())
        if request.method == "POST" and form.is_valid():
            return self._done(request, order, lambda: self._cancel(request, order, form))
        what = "An order that is being checked out is stopped where that is still safe; what was taken goes back."
        return self._ask(request, order, form, "Cancel order", what)

    def _order(self, request: HttpRequest, object_id: str, permission: str) -> Order:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        order: Order | None = self.get_object(request, object_id)
        if order is None:
            raise Http404
        return order

    def _ask(self, request: HttpRequest, order: Order, form: forms.Form, title: str, what: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title}: {order}",
            "row": order,
            "row_url": page_url(order),
            "list_url": reverse("admin:orders_order_changelist"),
            "opts": Order._meta,
            "form": form,
            "what": what,
            "do": title,
        }
        return TemplateResponse(request, "admin/act.html", context, status=400 if form.errors else 200)

    def _done(self, request: HttpRequest, order: Order, act: Callable[[], str]) -> HttpResponse:
        try:
            self.message_user(request, act(), messages.SUCCESS)
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
        except IntegrityError:
            return self._sent_twice(request, order)
        return HttpResponseRedirect(page_url(order))

    def _sent_twice(self, request: HttpRequest, order: Order) -> HttpResponse:
        self.message_user(request, "This was sent twice; it is done once.", messages.WARNING)
        return HttpResponseRedirect(page_url(order))

    def _give_back(self, request: HttpRequest, order: Order, charge: ChargeAttempt, form: RefundForm) -> str:
        amount = money(form.amount_minor, charge.currency)
        reason = form.cleaned_data["reason"]
        with transaction.atomic():
            once = f"admin:{form.cleaned_data['once']}"
            key = IdempotencyKey.objects.create(client=_person(request), key=once, fingerprint=FORM)
            run = services.start_refund(charge, amount_minor=form.amount_minor, reason=reason, key=key, is_inline=True)
            self.log_change(request, order, f"Refund of {amount} asked for: {reason}")
        services.carry_on(run)
        status = Refund.objects.values_list("status", flat=True).get(saga=run.saga)
        if status == Refund.Status.FAILED:
            raise DomainError(f"The gateway did not give {amount} back; nothing was refunded.")
        return f"{amount} went back." if status == Refund.Status.SUCCEEDED else f"{amount} is on its way back."

    def _cancel(self, request: HttpRequest, order: Order, form: ReasonForm) -> str:
        with transaction.atomic():
            services.cancel_order(order)
            self.log_change(request, order, f"Cancellation asked for: {form.cleaned_data['reason']}")
        services.carry_on_order(order)
        order.refresh_from_db(fields=["status"])
        if order.status == Order.Status.CANCELLED:
            return "The order is cancelled."
        return "The checkout was asked to stop; it does so where that is still safe."


def _person(request: HttpRequest) -> User:
    """Signed in: the admin site has seen to that."""
    return cast("User", request.user)


def _key(once: object) -> str:
    """The idempotency key behind a form."""
    return f"admin:{once}"


def _initial(charge: ChargeAttempt | None = None) -> dict[str, Any]:
    amount = {"amount": Money(charge.refundable_minor, charge.currency).amount} if charge else {}
    return {"once": uuid4().hex, **amount}


def _refundable(order: Order) -> ChargeAttempt | None:
    captured = ChargeAttempt.objects.filter(order=order, status=ChargeAttempt.Status.CAPTURED).order_by("-id")
    return next((charge for charge in captured if charge.refundable_minor > 0), None)


def _given_back_just_now(charge: ChargeAttempt) -> set[int]:
    """The amounts of the last minutes' refunds, in minor units, but for those that failed."""
    recent = charge.refunds.exclude(status=Refund.Status.FAILED).filter(created_at__gt=Now() - JUST_NOW)
    return set(recent.values_list("amount_minor", flat=True))


def _links(request: HttpRequest, order: Order) -> list[tuple[str, str]]:
    """What this person may do to the order as it stands: a title and an address each."""
    links = []
    is_over = order.status not in (*Order.IN_CHECKOUT, Order.Status.NEEDS_ATTENTION)
    if request.user.has_perm(MAY_REFUND) and is_over and _refundable(order):
        links.append(("Refund", reverse("admin:orders_order_refund", args=[order.public_id])))
    can_stop = order.status in (*Order.PAYABLE, *Order.IN_CHECKOUT) and order.cancel_requested_at is None
    if request.user.has_perm(MAY_CANCEL) and can_stop:
        links.append(("Cancel order", reverse("admin:orders_order_cancel", args=[order.public_id])))
    return links
