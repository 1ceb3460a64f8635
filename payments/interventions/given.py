"""What people bring along to what they do, and what a peer said when it was asked about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Call, Found, Outcome
from payments.redaction import redact

MAX_EVIDENCE: Final = 128
SUCCEEDED, DID_NOT_HAPPEN = "succeeded", "did_not_happen"
RESULTS: Final = (SUCCEEDED, DID_NOT_HAPPEN)


@dataclass(frozen=True, slots=True)
class Given:
    """`evidence` is somebody's reference, `result` what people state, `context` what they change.

    `delay` is how much later what is set going begins.
    """

    evidence: str = ""
    result: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    delay: timedelta | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the intervention; a delay is over by the time somebody reads this."""
        members = {"evidence": self.evidence, "result": self.result, "context": dict(self.context)}
        return {name: value for name, value in members.items() if value}

    def require_fit_to_keep(self) -> None:
        """Raise InterventionNotPossibleError for what may not be stored."""
        if len(self.evidence) > MAX_EVIDENCE:
            raise InterventionNotPossibleError(f"Evidence is a reference of at most {MAX_EVIDENCE} characters.")
        if redact(self.as_json()) != self.as_json():
            raise InterventionNotPossibleError("Neither card data nor secrets are kept here.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer answered: about the call in hand, about the name people gave, about our own charge or parcel.

    `is_dead`: the charge can neither be confirmed nor captured any more; None when nobody asked, or was told.
    `has_failed`: to one question at least there was no answer.
    """

    by_key: Outcome | None = None
    by_name: Found | None = None
    own: Found | None = None
    is_dead: bool | None = None
    has_failed: bool = False
    calls: list[Call] = field(default_factory=list)

    @property
    def about_ours(self) -> Found | None:
        """What is known of our own charge or parcel; `by_name` has been found to be ours before."""
        return self.own or self.by_name

    def calls_as_json(self) -> list[dict[str, Any]]:
        return [call.as_json() for call in self.calls]


NOTHING_ASKED: Final = Asked()
