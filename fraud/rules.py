"""The rules: pure functions of a context and their typed parameters, each a verdict or None.

A fact that is not known triggers nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from fraud.facts import Context, ListKind, ListName, Ruling, Stage, Verdict, velocity_fact
from orders.money import Money, currencies

MAX_WINDOW_SECONDS = 7 * 24 * 3600
"""The longest window a velocity rule may look back over: attempts older than that are forgotten."""


class InvalidParameters(ValueError):
    """A rule's parameters are not what its kind takes; says everything that is wrong with them."""


def read(raw: object, /, **readers: Callable[[object], Any]) -> dict[str, Any]:
    """Read exactly the named parameters; raise InvalidParameters for missing, unknown and unfit ones."""
    if not isinstance(raw, Mapping):
        raise InvalidParameters("The parameters must be an object.")
    faults = [f"{name}: unknown" for name in raw if name not in readers]
    parameters = {}
    for name, reader in readers.items():
        try:
            parameters[name] = reader(raw[name])
        except KeyError:
            faults.append(f"{name}: missing")
        except InvalidParameters as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise InvalidParameters("; ".join(faults))
    return parameters


def positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidParameters("must be an integer of at least 1")
    return value


def window(value: object) -> int:
    seconds = positive(value)
    if seconds > MAX_WINDOW_SECONDS:
        raise InvalidParameters(f"must be at most {MAX_WINDOW_SECONDS} seconds")
    return seconds


def ruling(value: object) -> Ruling:
    """What a rule may ask for by itself; a review is asked for by a score."""
    for known in (Ruling.CHALLENGE, Ruling.BLOCK):
        if value == known:
            return known
    raise InvalidParameters("must be challenge or block")


def list_kinds(value: object) -> tuple[ListKind, ...]:
    if not isinstance(value, list) or not value or any(kind not in list(ListKind) for kind in value):
        raise InvalidParameters(f"must be a list of {', '.join(ListKind)}")
    return tuple(kind for kind in ListKind if kind in value)


def thresholds(value: object) -> Mapping[str, int]:
    """Amounts in minor units by ISO 4217 code."""
    if not isinstance(value, Mapping) or not value or not currencies().issuperset(value):
        raise InvalidParameters("must be amounts in minor units by currency code")
    return MappingProxyType({currency: positive(amount) for currency, amount in value.items()})


@dataclass(frozen=True, slots=True)
class Listed:
    """`score` adds up with the other rules' for a review."""

    kinds: tuple[ListKind, ...]
    score: int = 0

    @classmethod
    def parse_blocked(cls, raw: object) -> Self:
        return cls(**read(raw, kinds=list_kinds))

    @classmethod
    def parse_watched(cls, raw: object) -> Self:
        return cls(**read(raw, kinds=list_kinds, score=positive))


@dataclass(frozen=True, slots=True)
class Checks:
    """What follows from the issuer's answer about the address and the card's code."""

    on_mismatch: Ruling
    on_partial: Ruling

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(**read(raw, on_mismatch=ruling, on_partial=ruling))


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """More than `limit` checkout attempts of one customer within the window, the present one counted."""

    limit: int
    window_seconds: int
    decision: Ruling

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(**read(raw, limit=positive, window_seconds=window, decision=ruling))


@dataclass(frozen=True, slots=True)
class Plain:
    decision: Ruling

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(**read(raw, decision=ruling))


@dataclass(frozen=True, slots=True)
class AmountLimit:
    """At or above the threshold of its currency; a currency without one has no limit."""

    thresholds: Mapping[str, int]
    decision: Ruling

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(**read(raw, thresholds=thresholds, decision=ruling))


_IN_WORDS = {
    ListKind.EMAIL: "e-mail address",
    ListKind.CARD: "card",
    ListKind.IP: "IP address",
    ListKind.DEVICE: "device",
}


def _listed_in_words(context: Context, name: ListName, kinds: tuple[ListKind, ...]) -> str:
    found = {listing.kind for listing in context.listed if listing.list_name == name}
    return " and the ".join(_IN_WORDS[kind] for kind in kinds if kind in found)


def blocklist(context: Context, parameters: Listed) -> Verdict | None:
    listed = _listed_in_words(context, ListName.BLOCK, parameters.kinds)
    return Verdict("blocklist", Ruling.BLOCK, f"On the blocklist: the {listed}.") if listed else None


def watch_list(context: Context, parameters: Listed) -> Verdict | None:
    listed = _listed_in_words(context, ListName.WATCH, parameters.kinds)
    reason = f"On the watch list: the {listed}."
    return Verdict("watch_list", Ruling.REVIEW, reason, parameters.score) if listed else None


_RESULT_IN_WORDS = {"mismatch": "does not match", "partial": "matches only in part"}


def avs_cvv(context: Context, parameters: Checks) -> Verdict | None:
    """Answers other than `mismatch` and `partial` (not checked, not supported) say nothing."""
    results = {"address (AVS)": context.avs_result, "security code (CVV)": context.cvv_result}
    for result, decision in (("mismatch", parameters.on_mismatch), ("partial", parameters.on_partial)):
        found = [f"The {name} {_RESULT_IN_WORDS[result]}." for name, value in results.items() if value == result]
        if found:
            return Verdict("avs_cvv", decision, " ".join(found))
    return None


def velocity(context: Context, parameters: AttemptLimit) -> Verdict | None:
    attempts = context.velocity.get(velocity_fact(parameters.window_seconds))
    if attempts is None or attempts <= parameters.limit:
        return None
    minutes, seconds = divmod(parameters.window_seconds, 60)
    span = f"{parameters.window_seconds} seconds" if seconds else f"{minutes} minutes"
    reason = f"{attempts} checkout attempts of this customer within {span}; the limit is {parameters.limit}."
    return Verdict("velocity", parameters.decision, reason)


def country_mismatch(context: Context, parameters: Plain) -> Verdict | None:
    card, billing = context.card_country, context.billing_country
    if card is None or billing is None or card == billing:
        return None
    reason = f"The card is from {card}, the billing address in {billing}."
    return Verdict("country_mismatch", parameters.decision, reason)


def high_amount(context: Context, parameters: AmountLimit) -> Verdict | None:
    amount, currency = context.amount_minor, context.currency
    if amount is None or currency is None or amount < parameters.thresholds.get(currency, amount + 1):
        return None
    limit = Money(parameters.thresholds[currency], currency)
    return Verdict("high_amount", parameters.decision, f"{Money(amount, currency)} reaches the limit of {limit}.")


P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Kind(Generic[P]):
    """A kind of rule: how its parameters are read, what it says, and at which stages its facts are known."""

    parse: Callable[[object], P]
    judge: Callable[[Context, P], Verdict | None]
    stages: frozenset[Stage]


_BEFORE = frozenset({Stage.BEFORE_AUTHORIZATION})
_AFTER = frozenset({Stage.AFTER_AUTHORIZATION})

KINDS: Mapping[str, Kind[Any]] = {
    "blocklist": Kind(Listed.parse_blocked, blocklist, _BEFORE | _AFTER),
    "watch_list": Kind(Listed.parse_watched, watch_list, _AFTER),
    "avs_cvv": Kind(Checks.parse, avs_cvv, _AFTER),
    "velocity": Kind(AttemptLimit.parse, velocity, _BEFORE),
    "country_mismatch": Kind(Plain.parse, country_mismatch, _AFTER),
    "high_amount": Kind(AmountLimit.parse, high_amount, _BEFORE),
}
