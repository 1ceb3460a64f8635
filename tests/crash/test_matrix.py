"""SIGKILL before and after each commit and each call of a checkout: started again, it ends as if nothing had been.

The points are not listed anywhere: an unharmed checkout is counted, and its count is the list.
"""

import pytest

from tests.crash.processes import Point, Processes
from tests.crash.shop import FORWARD, WAYS, Purchase, Way
from tests.sandbox import Sandbox

MAX_COMMITS = 6


def count_points(processes: Processes, sandbox: Sandbox, way: Way) -> list[str]:
    """What an unharmed checkout passes."""
    purchase = Purchase(processes, sandbox, way)
    unharmed = purchase.checkout()
    assert (unharmed.killed, unharmed.status) == (False, way.status), unharmed.body
    purchase.assert_ended_well()
    return unharmed.points


def test_an_unharmed_checkout_takes_six_commits_at_most_and_three_calls(processes: Processes, sandbox: Sandbox) -> None:
    points = count_points(processes, sandbox, FORWARD)

    calls = [point for point in points if point != "commit"]
    assert points.count("commit") <= MAX_COMMITS
    assert [call.rpartition("/")[2] for call in calls] == ["charges", "capture", "shipments"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_checkout_killed_at_any_point_is_finished_by_the_next_worker(
    processes: Processes, sandbox: Sandbox, way: Way, when: str, subtests: pytest.Subtests
) -> None:
    for number, what in enumerate(count_points(processes, sandbox, way)):
        point = Point(number, when, what)
        with subtests.test(f"{way}: killed {point}"):
            purchase = Purchase(processes, sandbox, way)

            assert purchase.checkout(die=point).killed
            purchase.finish()
            if not purchase.is_begun:
                assert purchase.checkout().status == way.status

            purchase.assert_ended_well()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_retry_with_the_same_key_finishes_what_a_killed_process_began(
    processes: Processes, sandbox: Sandbox, way: Way, subtests: pytest.Subtests
) -> None:
    for number, what in enumerate(count_points(processes, sandbox, way)):
        point = Point(number, "after", what)
        with subtests.test(f"{way}: killed {point}"):
            purchase = Purchase(processes, sandbox, way)

            assert purchase.checkout(die=point).killed
            purchase.let_the_lease_lapse()
            retried = purchase.checkout()

            assert (retried.status, retried.killed) == (way.status, False), retried.body
            purchase.assert_ended_well()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_worker_killed_at_any_point_of_taking_over_is_taken_over_itself(
    processes: Processes, sandbox: Sandbox, way: Way, subtests: pytest.Subtests
) -> None:
    for number, what in enumerate(count_points_of_taking_over(processes, sandbox, way)):
        point = Point(number, "after", what)
        with subtests.test(f"{way}: worker killed {point}"):
            purchase = begun_and_killed(processes, sandbox, way)

            assert processes.resume(die=point).killed
            purchase.finish()

            purchase.assert_ended_well()


def begun_and_killed(processes: Processes, sandbox: Sandbox, way: Way) -> Purchase:
    """A checkout whose process died as soon as it was begun: everything is left to a worker."""
    purchase = Purchase(processes, sandbox, way)
    assert purchase.checkout(die=Point(0, "after")).killed
    purchase.let_the_lease_lapse()
    return purchase


def count_points_of_taking_over(processes: Processes, sandbox: Sandbox, way: Way) -> list[str]:
    """What a worker passes that finishes such a checkout unharmed."""
    purchase = begun_and_killed(processes, sandbox, way)
    points = processes.resume().points
    purchase.assert_ended_well()
    return points
