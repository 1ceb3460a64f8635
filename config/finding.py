"""Straight from the name of something to its page: an id, a reference, an e-mail address, the last four of a card."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orders.admin.marks import page_url
from orders.ids import parse_id
from orders.models import Order


def lead(site: AdminSite, request: HttpRequest, term: str) -> HttpResponse:
    """To the page of what has this id, or of the one order that is found by it; else to the list of orders."""
    address = _page(site, request, term) or _order(site, request, term)
    if address is None:
        messages.info(request, "Nothing you may see has this id.")
        address = reverse("admin:index")
    return HttpResponseRedirect(address)


def _page(site: AdminSite, request: HttpRequest, term: str) -> str | None:
    for model, admin in site._registry.items():
        prefix = getattr(model, "PREFIX", None)
        if prefix and parse_id(prefix, term) and admin.has_view_permission(request):
            row = admin.get_object(request, term)
            return page_url(row) if row else None
    return None


def _order(site: AdminSite, request: HttpRequest, term: str) -> str | None:
    """None for people who may see no orders."""
    admin = site.get_model_admin(Order)
    if not admin.has_view_permission(request):
        return None
    found, _has_duplicates = admin.get_search_results(request, admin.get_queryset(request), term)
    first, *others = found[:2] or (None,)
    if first and term and not others:
        return page_url(first)
    return f"{reverse('admin:orders_order_changelist')}?{urlencode({'q': term})}"
