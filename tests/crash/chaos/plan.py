"""What happens in a chaos run, drawn from its seed: the same seed, the same plan. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

SKUS: Final = ("CHAOS-A", "CHAOS-B", "CHAOS-C")
SCARCE: Final = "CHAOS-SCARCE"
"""Of this there is not enough for everybody who wants it."""

TOKENS: Final[Mapping[str, int]] = {
    "tok_visa": 42, "tok_mastercard": 4, "tok_declined": 5, "tok_insufficient_funds": 3, "tok_3ds": 10,
    "tok_avs_partial": 10, "tok_country_DE": 3, "tok_avs_mismatch": 4, "tok_flaky_2": 4, "tok_timeout_before": 3,
    "tok_timeout_after": 4, "tok_rate_limited": 3, "tok_server_error": 1, "tok_capture_fails": 2,
    "tok_refund_fails": 1, "tok_void_fails": 1,
}  # fmt: skip
POSTAL_CODES: Final[Mapping[str, int]] = {"10001": 88, "99999": 7, "99998": 5}


@dataclass(frozen=True, slots=True)
class Errand:
    """One order, and what its client, its customer and its reviewer do about it. Times in seconds."""

    number: int
    payment_method: str
    postal_code: str
    sku: str
    quantity: int
    unit_amount: int
    prefers_async: bool
    is_sent_twice: bool
    cancels_after: float | None
    button: str
    verdict: str
    gives_back: tuple[float, ...]
    """Parts of the total that are refunded on request, should the order be completed."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault, which comes when so many checkouts are over. `how` is read by what does it."""

    kind: str
    comes_at: float
    how: Mapping[str, Any] = field(default_factory=dict)


PROCESSES: Final[Mapping[str, int]] = {
    "SIGKILL of a worker": 6, "SIGKILL of a web process": 6, "SIGKILL of the web server": 2,
    "SIGKILL of the sandbox": 2, "SIGSTOP of a worker past its lease": 4, "SIGSTOP of a web process past its lease": 3,
}  # fmt: skip
REDIS: Final[Mapping[str, int]] = {"Redis killed": 2, "Redis flushed": 3}
POSTGRESQL: Final[Mapping[str, int]] = {
    "pg_terminate_backend of one": 6, "pg_terminate_backend of all": 3, "PostgreSQL restarted": 2,
    "PostgreSQL crashed": 1,
}  # fmt: skip
GATEWAY: Final[Mapping[str, int]] = {
    "latency": 8, "drop_before": 7, "drop_after": 9, "reset_after": 9, "status_500": 8, "status_429": 6, "garbage": 8,
    "lagging_look_up": 6, "refuse_connection": 4, "duplicate_webhooks": 5, "delay_webhooks": 4, "reorder_webhooks": 4,
}  # fmt: skip
KINDS: Final[Mapping[str, int]] = {**PROCESSES, **REDIS, **POSTGRESQL, **GATEWAY}
CALLS: Final = ("authorize", "capture", "void", "refund", "ship", "cancel_shipment")


def errands(seed: int, count: int) -> Sequence[Errand]:
    """What `count` clients want."""
    chance = Random(f"errands of {seed}")
    return [_errand(number, chance) for number in range(count)]


def _errand(number: int, chance: Random) -> Errand:
    is_dear = chance.random() < 0.03
    return Errand(
        number=number,
        payment_method=_pick(TOKENS, chance),
        postal_code=_pick(POSTAL_CODES, chance),
        sku=SCARCE if chance.random() < 0.04 else chance.choice(SKUS),
        quantity=chance.randint(1, 3),
        unit_amount=chance.randint(700_00, 900_00) if is_dear else chance.randint(1_00, 400_00),
        prefers_async=chance.random() < 0.2,
        is_sent_twice=chance.random() < 0.2,
        cancels_after=chance.uniform(0, 3) if chance.random() < 0.12 else None,
        button=chance.choice(("approve", "approve", "fail")),
        verdict=chance.choice(("approve", "approve", "reject")),
        gives_back=tuple(chance.choice((0.2, 0.5, 1.0)) for _ in range(chance.choice((0, 0, 0, 0, 1, 2)))),
    )


def troubles(seed: int, *, kinds: Collection[str], every: float) -> Iterator[Trouble]:
    """Faults of these kinds without end, one for `every` so many checkouts on the average.

    They follow the work and not the clock: on a slow machine the same plan does not become a harder one.
    """
    chance = Random(f"troubles of {seed}")
    weights = {kind: weight for kind, weight in KINDS.items() if kind in kinds}
    comes_at = 0.0
    while True:
        kind = _pick(weights, chance)
        comes_at += chance.uniform(0.2, 1.8) * every
        yield Trouble(kind, comes_at, _how(kind, chance))


def _how(kind: str, chance: Random) -> dict[str, Any]:
    if kind not in GATEWAY:
        return {"which": chance.random()}
    how: dict[str, Any] = {}
    if kind == "refuse_connection":
        return {"seconds": chance.uniform(0.3, 1.5)}
    if kind == "lagging_look_up":
        return {"seconds": 0.4, "times": chance.randint(1, 4)}
    if kind in ("latency", "delay_webhooks", "reorder_webhooks"):
        how["seconds"] = chance.uniform(0.1, 1.2)
    if kind.endswith("_webhooks"):
        return {**how, "times": chance.randint(1, 6)}
    # Now and then one operation alone, or the look-up, and for long enough to use up somebody's patience.
    operation = chance.choice((None, None, "look_up", *CALLS))
    return {**how, "times": chance.choice((1, 1, 2, 3, 6)), **({"operation": operation} if operation else {})}


def _pick(weights: Mapping[str, int], chance: Random) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]
