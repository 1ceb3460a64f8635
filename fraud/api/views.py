from dataclasses import asdict
from typing import ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from fraud import services
from fraud.api.filters import DecisionFilters
from fraud.api.serializers import ContextSerializer, DecisionSerializer, EvaluationSerializer
from fraud.models import Decision
from orders.ids import parse_id


class DecisionsView(GenericAPIView[Decision]):
    """Decisions about the user's own orders, or everybody's for those who work for every client."""

    required_permissions: ClassVar = {"GET": "fraud.view_decision"}
    serializer_class = DecisionSerializer
    queryset = Decision.objects.all()

    def get_queryset(self) -> QuerySet[Decision]:
        return Decision.objects.visible_to(self.request.user)


class DecisionList(DecisionsView, ListAPIView[Decision]):
    """The decisions you may see, newest first."""

    filterset_class = DecisionFilters


class DecisionDetail(DecisionsView, RetrieveAPIView[Decision]):
    """A decision with what each rule said."""

    filter_backends = ()

    def get_object(self) -> Decision:
        return get_object_or_404(self.get_queryset(), pk=parse_id(Decision.PREFIX, self.kwargs["decision_id"]))


class Evaluate(GenericAPIView[Decision]):
    """What the rules and lists of the moment would decide; nothing is stored and nothing counted."""

    required_permissions: ClassVar = {"POST": "fraud.view_decision"}
    changes_nothing: ClassVar = True
    serializer_class = ContextSerializer

    @extend_schema(responses=EvaluationSerializer)
    def post(self, request: Request) -> Response:
        given = ContextSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(EvaluationSerializer(asdict(services.evaluate(given.as_context()))).data)
