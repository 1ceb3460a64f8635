from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from fraud.facts import Ruling, Stage
from fraud.models import Decision
from orders.ids import parse_id
from orders.models import Order


class DecisionFilters(filters.FilterSet):
    """`created_after` includes its moment, `created_before` does not: days neither overlap nor leave gaps."""

    order = filters.CharFilter(method="of_order")
    decision = filters.ChoiceFilter(choices=[(ruling.value, ruling.value) for ruling in Ruling])
    stage = filters.ChoiceFilter(choices=[(stage.value, stage.value) for stage in Stage])
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    def of_order(self, rows: QuerySet[Decision], _name: str, value: str) -> QuerySet[Decision]:
        order_id = parse_id(Order.PREFIX, value)
        if order_id is None:
            raise ValidationError({"order": "This is not the id of an order."})
        return rows.filter(order_id=order_id)
