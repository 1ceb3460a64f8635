"""What a person can be called for, and what to do then."""

from dataclasses import dataclass

DOCUMENTATION = "docs/alerts.md"


@dataclass(frozen=True, slots=True)
class Kind:
    """`advice` is what to do, in one sentence; where it `is_documented`, DOCUMENTATION has a section of its title."""

    name: str
    advice: str
    is_documented: bool = True

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def more(self) -> str:
        """Where to read on; empty where there is nothing to read."""
        return f"{DOCUMENTATION}#{self.name.replace('_', '-')}" if self.is_documented else ""


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    _KINDS[kind.name] = kind
    return kind


def named(name: str) -> Kind:
    """The kind of this name; one that nobody has registered has no advice to give."""
    return _KINDS.get(name) or Kind(name, "Look at what it is about.", is_documented=False)


def names() -> list[str]:
    return list(_KINDS)


FAILED_COMPENSATION = register(
    Kind("failed_compensation", "Read in the saga what could not be undone, undo it at the gateway, and resolve it.")
)
NEEDS_ATTENTION = register(
    Kind(
        "needs_attention", "Read in the saga why it stopped, find out what the gateway did, and decide how it goes on."
    )
)
UNKNOWN_TOO_LONG = register(
    Kind(
        "unknown_too_long",
        "See whether the gateway answers; Paydesk goes on asking, and changes nothing before it does.",
    )
)
UNCLAIMABLE_VERSION = register(
    Kind("unclaimable_version", "Start a worker of the build that has this version; no other may carry these sagas on.")
)
BACKLOG_AGE = register(
    Kind("backlog_age", "See whether the workers run and whether the gateway is slow, and start more workers.")
)
AUTHORIZATION_EXPIRING = register(
    Kind("authorization_expiring", "Decide about the saga before the card's issuer lets the money go.")
)
CAPTURES_STOPPED = register(
    Kind("captures_stopped", "Let captures go on once the cause is gone; what waits is voided before it expires.")
)
DISPUTE_UNANSWERED = register(
    Kind("dispute_unanswered", "Send evidence at the gateway before it is due, and note in the dispute what you did.")
)
REFUND_RETURNED = register(
    Kind("refund_returned", "Give the money back again, to the same card or in another way: the customer waits for it.")
)
WEBHOOK_FAILED = register(
    Kind(
        "webhook_failed", "Read in the event what the gateway told, and whether money moved that the books do not know."
    )
)
WEBHOOK_ENDPOINT_DISABLED = register(
    Kind(
        "webhook_endpoint_disabled",
        "Tell the client: it gets no events at this address until somebody enables the endpoint again.",
    )
)
