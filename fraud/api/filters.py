import django_filters

from fraud.facts import Ruling, Stage
from orders.api.filters import CreatedFilters, IdFilter
from orders.models import Order


class DecisionFilters(CreatedFilters):
    order = IdFilter(Order, "order_id")
    decision = django_filters.ChoiceFilter(choices=[(ruling.value, ruling.value) for ruling in Ruling])
    stage = django_filters.ChoiceFilter(choices=[(stage.value, stage.value) for stage in Stage])
