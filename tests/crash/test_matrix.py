"""SIGKILL before and after each commit and each call: whoever takes over, it ends as if nothing had been.

The points are not listed anywhere: an unharmed purchase is counted, and its count is the list.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from payments.sagas import registry
from payments.sagas.definition import name_of
from tests.crash.matrix import row
from tests.crash.processes import Point, Step
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD, WAYS, Request, Way

MAX_COMMITS = 6
SAMPLE = 8
"""Pairs of each way that are tried when not all are: at each first point that is drawn, two second ones."""

OpenShop = Callable[..., Shop]
SIDES = ("before", "after")


def test_an_unharmed_checkout_takes_six_commits_at_most_and_three_calls(shop: Shop) -> None:
    (points,) = Purchase(shop, FORWARD).go()

    calls = [point.what.rpartition("/")[2] for point in points if not point.is_commit]
    assert len(points) - len(calls) <= MAX_COMMITS
    assert calls == ["charges", "capture", "shipments"]


def unharmed(shop: Shop, way: Way) -> tuple[dict[str, Any], list[tuple[int, Point]]]:
    """How the way ends when nobody dies, and each point, with the act that passes it."""
    purchase = Purchase(shop, way)
    passed = purchase.go()
    end = purchase.end()
    assert (end["order"][0], end["done"]) == (way.order_status, way.done)
    return end, [(act, point) for act, points in enumerate(passed) for point in points]


@row("SIGKILL of any process at any point; a worker takes over", holds="ends as unharmed, and every invariant")
@pytest.mark.parametrize("when", SIDES)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_killed_at_any_point_a_worker_takes_over(
    open_shop: OpenShop, way: Way, when: str, tally: Tally, subtests: pytest.Subtests
) -> None:
    shop = open_shop(**way.settings)
    end, points = unharmed(shop, way)
    for act, point in points:
        with subtests.test(f"{way}: killed {point.at(when)}"):
            purchase = Purchase(shop, way)

            purchase.suffer(act, point.at(when))

            tally.count(point.at(when))
            assert not way.is_exact or purchase.end() == end
    shop.assert_all_is_well()


@row(
    "SIGKILL of a request at any point; the client's repeated request takes over",
    holds="ends as unharmed, and every invariant",
)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_killed_at_any_point_the_clients_repeated_request_takes_over(
    open_shop: OpenShop, way: Way, tally: Tally, subtests: pytest.Subtests
) -> None:
    shop = open_shop(**way.settings)
    end, points = unharmed(shop, way)
    for act, point in points:
        if isinstance(way.acts[act], Request):
            with subtests.test(f"{way}: killed {point.at('after')}"):
                purchase = Purchase(shop, way)

                purchase.suffer(act, point.at("after"), by_client=True)

                tally.count(point.at("after"))
                assert not way.is_exact or purchase.end() == end
    shop.assert_all_is_well()


@row(
    "SIGKILL of the one, and then of the one that takes over, at pairs of points",
    holds="ends as unharmed, and every invariant",
)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_killed_and_then_whoever_takes_over_killed_too(
    open_shop: OpenShop, way: Way, tally: Tally, in_full: bool, chance: Random, subtests: pytest.Subtests
) -> None:
    shop = open_shop(**way.settings)
    end, points = unharmed(shop, way)
    for act, first, second in pairs(shop, way, points, None if in_full else chance):
        with subtests.test(f"{way}: killed {first}, then {second}"):
            purchase = Purchase(shop, way)

            purchase.suffer(act, first, then=second)

            tally.count(first, second)
            assert not way.is_exact or purchase.end() == end
    shop.assert_all_is_well()


def pairs(
    shop: Shop, way: Way, points: list[tuple[int, Point]], chance: Random | None
) -> Iterator[tuple[int, Point, Point]]:
    """Every pair there is, or some that `chance` picks. What there is to die at the second time, the first decides."""
    firsts = [(act, point.at(when)) for act, point in points for when in SIDES]
    for act, first in firsts if chance is None else chance.sample(firsts, SAMPLE // 2):
        left = Purchase(shop, way).suffer(act, first).points
        seconds = [point.at(when) for point in left for when in SIDES]
        for second in seconds if chance is None else chance.sample(seconds, min(2, len(seconds))):
            yield act, first, second


def test_every_step_of_every_saga_is_died_in_in_both_directions(open_shop: OpenShop) -> None:
    """The ways above are enough: together they pass each thing that any saga does."""
    passed: set[Step] = set()
    for way in WAYS:
        points = unharmed(open_shop(**way.settings), way)[1]
        passed |= {step for _, point in points for step in point.steps}

    assert passed >= set(every_step())


def every_step() -> Iterator[Step]:
    for definition, version in registry.versions():
        saga = registry.get(definition, version)
        for step in saga.steps:
            yield Step(definition, "forward", step.name)
            if step.undo is not None:
                yield Step(definition, "compensating", name_of(step.undo))
