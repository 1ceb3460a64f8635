from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.models import F
from django.utils import timezone
from structlog.testing import capture_logs

from fraud.models import VelocityAttempt
from fraud.velocity import count_attempt, prune_velocity
from orders.ids import new_id

HOUR = 3600


def count(attempt: str, customer: str, window: int = HOUR) -> int:
    return count_attempt(attempt, customer, windows=[window])[window]


@pytest.fixture
def customer() -> str:
    """Somebody no other test knows: Redis is not emptied between tests."""
    return str(new_id())


@pytest.fixture(params=["database", "redis"])
def store(request: pytest.FixtureRequest, settings: Any) -> str:
    """Where attempts are counted; without a Redis, its half is skipped."""
    if request.param == "database":
        settings.REDIS_URL = None
    elif not settings.REDIS_URL:
        pytest.skip("there is no Redis")
    return str(request.param)


def make_older(store: str, customer: str, attempt: str, *, seconds: float, url: str) -> None:
    """Move one attempt back in time."""
    key = sha256(customer.encode()).hexdigest()
    if store == "database":
        rows = VelocityAttempt.objects.filter(key=key, attempt=attempt)
        assert rows.update(at=F("at") - timedelta(seconds=seconds)) == 1
    else:
        with redis.Redis.from_url(url) as client:
            client.zincrby(f"paydesk:velocity:{key}", -seconds * 1_000_000, attempt)


@pytest.mark.django_db
class TestCounting:
    def test_each_attempt_counts_itself_and_those_before_it(self, store: str, customer: str) -> None:
        assert [count(f"attempt-{number}", customer) for number in range(4)] == [1, 2, 3, 4]

    def test_an_attempt_that_is_retried_reads_its_first_count(self, store: str, customer: str) -> None:
        first = [count(attempt, customer) for attempt in "abc"]

        assert [count(attempt, customer) for attempt in "abc"] == first == [1, 2, 3]

    def test_customers_are_counted_apart(self, store: str, customer: str) -> None:
        count("a", customer)

        assert count("b", f"{customer}-other") == 1

    @pytest.mark.parametrize(("age", "expected"), [(HOUR - 5, 2), (HOUR + 5, 1)])
    def test_what_is_older_than_the_window_does_not_count(
        self, store: str, customer: str, age: int, expected: int, settings: Any
    ) -> None:
        count("old", customer)
        make_older(store, customer, "old", seconds=age, url=settings.REDIS_URL)

        assert count("new", customer) == expected

    def test_an_old_attempt_still_reads_its_first_count(self, store: str, customer: str, settings: Any) -> None:
        for attempt in "ab":
            count(attempt, customer)
        for attempt in "ab":
            make_older(store, customer, attempt, seconds=2 * HOUR, url=settings.REDIS_URL)
        count("c", customer)

        assert [count(attempt, customer) for attempt in "abc"] == [1, 2, 1]

    def test_every_window_is_counted_at_once(self, store: str, customer: str, settings: Any) -> None:
        count("old", customer)
        make_older(store, customer, "old", seconds=120, url=settings.REDIS_URL)

        assert count_attempt("new", customer, windows={60, HOUR}) == {60: 1, HOUR: 2}

    def test_without_windows_nothing_is_counted(self, store: str, customer: str) -> None:
        assert count_attempt("a", customer, windows=[]) == {}
        assert count("b", customer) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("store", ["database", "redis"], indirect=True)
def test_of_thirty_concurrent_attempts_that_are_each_retried_exactly_ten_pass_a_limit_of_ten(
    store: str, customer: str
) -> None:
    def attempt_twice(number: int) -> tuple[int, int]:
        try:
            return count(f"attempt-{number}", customer), count(f"attempt-{number}", customer)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=10) as threads:
        counts = list(threads.map(attempt_twice, range(30)))

    assert sorted(first for first, _ in counts) == list(range(1, 31))
    assert all(first == second for first, second in counts)
    assert sum(first <= 10 for first, _ in counts) == 10


@pytest.mark.django_db
class TestTheDatabase:
    @pytest.fixture(autouse=True)
    def without_redis(self, settings: Any) -> Iterable[None]:
        settings.REDIS_URL = None
        return []

    def test_counting_takes_two_queries(self, customer: str, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(4) as captured:
            count_attempt("a", customer, windows=[60, HOUR])

        statements = [query["sql"] for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]]
        assert len(statements) == 2

    def test_attempts_beyond_every_window_are_forgotten(self, customer: str) -> None:
        count("old", customer)
        count("new", customer)
        VelocityAttempt.objects.filter(attempt="old").update(at=F("at") - timedelta(days=8, seconds=5))

        assert prune_velocity(timezone.now()) == 1
        assert list(VelocityAttempt.objects.values_list("attempt", flat=True)) == ["new"]


@pytest.mark.django_db
def test_when_redis_is_away_the_database_counts(customer: str, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    with capture_logs() as logs:
        counts = [count(attempt, customer) for attempt in "aab"]

    assert counts == [1, 1, 2]
    assert {entry["event"] for entry in logs} == {"velocity_store_failed"}
