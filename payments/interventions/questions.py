"""Ask gateway and carrier what they know: before anything is locked, for each question is a call."""

import re
from collections.abc import Callable
from typing import Any, Final

from payments.errors import PaymentError
from payments.gateways import registry as gateways
from payments.gateways.audit import keep, recorded_calls
from payments.gateways.base import Carrier, Found, PaymentGateway
from payments.interventions.given import Asked
from payments.interventions.standing import Standing
from payments.sagas import exchange
from payments.sagas.shipping import CarrierOperation

Question = Callable[[], Any]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
"""What a peer may call something. About other evidence (a bank's, or in words) nobody is asked."""


def ask(standing: Standing, **questions: Question) -> Asked:
    """The answers to questions named as Asked names them; one that is not answered stays open.

    The calls are kept at once, whatever becomes of what they were made for.
    """
    answers: dict[str, Any] = {}
    has_failed = False
    with recorded_calls() as calls:
        for name, question in questions.items():
            try:
                answers[name] = question()
            except PaymentError:
                has_failed = True
    keep(calls, order=standing.order, saga=standing.saga, step=standing.step)
    return Asked(**answers, has_failed=has_failed, calls=calls)


def about_call(standing: Standing) -> dict[str, Question]:
    """What became of the request in hand, by its key."""
    started = standing.started
    return {"by_key": lambda: exchange.look_up(standing.run, started)} if started else {}


def about_own(standing: Standing) -> dict[str, Question]:
    """What was done to the charge or parcel that the step in hand is about."""
    name = own_name(standing)
    return {"own": lambda: _peer(standing).find(name)} if name else {}


def about_name(standing: Standing, name: str) -> dict[str, Question]:
    """What goes by the name that people gave."""

    def by_name() -> Found | None:
        return _peer(standing).find(name) if _NAME.fullmatch(name) else None

    return {"by_name": by_name}


def about_death(standing: Standing) -> dict[str, Question]:
    """Whether our charge can neither be confirmed nor captured any more."""
    name = own_name(standing)
    return {"is_dead": lambda: _gateway(standing).is_dead(name)} if name else {}


def own_name(standing: Standing) -> str:
    """The peer's name of what the step in hand is about; empty where there is none yet."""
    if isinstance(standing.operation, CarrierOperation):
        parcel = standing.order.shipments.filter(status="shipped").first()
        return parcel.carrier_reference if parcel else ""
    stray = str(standing.run.context.get("reference", ""))
    return stray or (standing.charge.gateway_reference if standing.charge else "")


def _peer(standing: Standing) -> PaymentGateway | Carrier:
    return standing.operation.peer(standing.run) if standing.operation else _gateway(standing)


def _gateway(standing: Standing) -> PaymentGateway:
    return gateways.gateway(standing.run.context["gateway"])
