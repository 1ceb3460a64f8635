from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from fraud.api.serializers import DecisionSerializer
from fraud.errors import ReviewClosed
from fraud.models import Decision
from orders.api.requests import Permissions, Refusals, client_of, find
from orders.api.strict import StrictCharField, StrictSerializer
from orders.errors import InvalidTransition
from payments import reviews
from payments.api.answers import JSON
from payments.idempotency import Idempotency


@extend_schema_serializer(
    examples=[OpenApiExample("Let it go on", {"verdict": "approve", "note": "Known customer."}, request_only=True)]
)
class VerdictInput(StrictSerializer):
    """A person's word on a flagged payment, and why."""

    verdict = serializers.ChoiceField(choices=list(reviews.OUTCOMES))
    note = StrictCharField(max_length=2000)


class Review(APIView):
    """Approve or reject a payment that waits for a person."""

    required_permissions: ClassVar[Permissions] = {"POST": "fraud.change_reviewcase"}
    refusals: ClassVar[Refusals] = (ReviewClosed, InvalidTransition)

    @extend_schema(request=VerdictInput, responses={200: DecisionSerializer})
    def post(self, request: Request, decision_id: str) -> HttpResponse:
        given = VerdictInput(data=request.data)
        given.is_valid(raise_exception=True)
        decision = find(Decision.objects.visible_to(request.user), decision_id)
        idempotency = Idempotency.of(request)
        replay = idempotency.replay()
        if replay is not None:
            return replay
        with idempotency.first_commit() as first_use:
            reviews.decide(decision, by=client_of(request), **given.validated_data)
            body = JSONRenderer().render(DecisionSerializer(decision).data)
            return first_use.freeze(200, body, headers={"Content-Type": JSON})
