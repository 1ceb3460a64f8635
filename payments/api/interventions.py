"""What people do about sagas, over the API: the same actions, the same second person, each under its key."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.filters import IdFilter
from orders.api.requests import Permissions, Refusals, client_of, find
from orders.api.strict import StrictCharField, StrictIntegerField, StrictSerializer
from orders.errors import DomainError, InvalidTransition
from payments.api.answers import JSON
from payments.api.serializers import InterventionSerializer
from payments.errors import InterventionNotPossibleError, InvalidContextError, StaleSagaError
from payments.idempotency import Idempotency
from payments.interventions import approvals, requests
from payments.interventions.actions import ACTIONS
from payments.interventions.given import MAX_EVIDENCE, RESULTS
from payments.models import SagaExecution, SagaIntervention
from payments.redaction import redact

MAX_EPOCH = 2**31 - 1
REFUSALS: Refusals = (InterventionNotPossibleError, StaleSagaError, InvalidContextError, InvalidTransition)
_NOT_TAKEN = "This action does not take it."
_NEEDED = "This action needs it."


class ContextField(serializers.DictField):
    """The members to change, with their new values."""

    child: Any = serializers.JSONField()


class InterventionInput(StrictSerializer):
    """`epoch` is the saga's that was seen. `evidence`, `result` and `context` go with the actions that take them."""

    action = serializers.ChoiceField(choices=SagaIntervention.Action.choices)
    reason = StrictCharField(max_length=2000)
    epoch = StrictIntegerField(min_value=0, max_value=MAX_EPOCH)
    evidence = StrictCharField(max_length=MAX_EVIDENCE, required=False)
    result = serializers.ChoiceField(choices=RESULTS, required=False)
    context = ContextField(required=False, allow_empty=False)  # type: ignore[assignment]  # no field of the class

    def validate_evidence(self, value: str) -> str:
        if redact(value) != value:
            raise serializers.ValidationError("Send a reference, never card data.", code="card_number")
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """What an action needs is there, and nothing that it does not take; all faults at once."""
        action = ACTIONS[data["action"]]
        given = {"evidence", "result", "context"} & set(data)
        faults = {name: [serializers.ErrorDetail(_NEEDED, "required")] for name in sorted(set(action.needs) - given)}
        for name in sorted(given - {*action.needs, *action.takes}):
            faults[name] = [serializers.ErrorDetail(_NOT_TAKEN, "unknown")]
        if faults:
            raise serializers.ValidationError(faults)
        return data


class DecisionInput(StrictSerializer):
    """Why yes, or why not."""

    note = StrictCharField(max_length=2000)


class SagaInterventions(APIView):
    """Do something about a saga as it stood at `epoch`, or ask a second person for it."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.view_sagaexecution"}
    refusals: ClassVar[Refusals] = REFUSALS

    @extend_schema(request=InterventionInput, responses={201: InterventionSerializer})
    def post(self, request: Request, saga_id: str) -> HttpResponse:
        """The action's own permission is asked for beside that to see the saga."""
        given = _validated(InterventionInput, request)
        saga = find(SagaExecution.objects.visible_to(request.user), saga_id)

        def ask(idempotency: Idempotency) -> HttpResponse:
            intent = requests.prepare(saga, by=client_of(request), **given)
            with idempotency.first_commit() as first_use:
                row = requests.carry_out(intent)
                headers = {"Content-Type": JSON, "Location": f"/v1/interventions/{row.public_id}"}
                return first_use.freeze(201, _body(row), headers=headers)

        return _once(request, ask)


class Approve(APIView):
    """Approve what somebody else wants to do: it is done, or found to be `stale`."""

    required_permissions: ClassVar[Permissions] = {"POST": approvals.APPROVE}
    refusals: ClassVar[Refusals] = REFUSALS

    @extend_schema(request=DecisionInput, responses={200: InterventionSerializer})
    def post(self, request: Request, intervention_id: str) -> HttpResponse:
        note = _validated(DecisionInput, request)["note"]
        row = find(_visible(request), intervention_id)

        def approve(idempotency: Idempotency) -> HttpResponse:
            approval = approvals.prepare(row, by=client_of(request), note=note)
            with idempotency.first_commit() as first_use:
                approved = approvals.carry_out(approval)
                return first_use.freeze(200, _body(approved), headers={"Content-Type": JSON})

        return _once(request, approve)


class Refuse(APIView):
    """Refuse what somebody else wants to do: nothing is done."""

    required_permissions: ClassVar[Permissions] = {"POST": approvals.APPROVE}
    refusals: ClassVar[Refusals] = REFUSALS

    @extend_schema(request=DecisionInput, responses={200: InterventionSerializer})
    def post(self, request: Request, intervention_id: str) -> HttpResponse:
        return _drop(request, intervention_id, approvals.refuse)


class Withdraw(APIView):
    """Take back what the caller has asked for: nothing is done."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.view_sagaexecution"}
    refusals: ClassVar[Refusals] = REFUSALS

    @extend_schema(request=DecisionInput, responses={200: InterventionSerializer})
    def post(self, request: Request, intervention_id: str) -> HttpResponse:
        return _drop(request, intervention_id, approvals.withdraw)


def _drop(request: Request, intervention_id: str, end: Callable[..., SagaIntervention]) -> HttpResponse:
    """Have it not done; `end` is who may say so."""
    note = _validated(DecisionInput, request)["note"]
    row = find(_visible(request), intervention_id)

    def drop(idempotency: Idempotency) -> HttpResponse:
        with idempotency.first_commit() as first_use:
            ended = end(row, by=client_of(request), note=note)
            return first_use.freeze(200, _body(ended), headers={"Content-Type": JSON})

    return _once(request, drop)


class InterventionFilter(django_filters.FilterSet):
    saga = IdFilter(SagaExecution, "saga_id")
    state = django_filters.ChoiceFilter(choices=SagaIntervention.State.choices)


class InterventionList(generics.ListAPIView[SagaIntervention]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaintervention"}
    serializer_class = InterventionSerializer
    filterset_class = InterventionFilter

    def get_queryset(self) -> QuerySet[SagaIntervention]:
        return _visible(self.request)


class InterventionDetail(generics.RetrieveAPIView[SagaIntervention]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaintervention"}
    serializer_class = InterventionSerializer

    def get_object(self) -> SagaIntervention:
        return find(_visible(self.request), self.kwargs["intervention_id"])


def _once(request: Request, act: Callable[[Idempotency], HttpResponse]) -> HttpResponse:
    """What stands in the way may be this very request, sent before: then its answer is given again."""
    idempotency = Idempotency.of(request)
    replay = idempotency.replay()
    if replay is not None:
        return replay
    try:
        return act(idempotency)
    except DomainError:
        replay = idempotency.replay()
        if replay is None:
            raise
        return replay


def _validated(serializer: type[StrictSerializer], request: Request) -> Mapping[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    data: Mapping[str, Any] = given.validated_data
    return data


def _visible(request: Request) -> QuerySet[SagaIntervention]:
    rows = SagaIntervention.objects.visible_to(request.user)
    return rows.select_related("saga", "requested_by", "decided_by")


def _body(row: SagaIntervention) -> bytes:
    return JSONRenderer().render(InterventionSerializer(row).data)
