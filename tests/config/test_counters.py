"""Counting how often somebody asks: the same in memory, in the database and in Redis, also while Redis is away."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import randbytes

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from limits import parse
from pytest_django import DjangoAssertNumQueries, Settings
from structlog.testing import capture_logs

from config import counters
from config.limits import prune_windows
from config.models import RateWindow
from orders.ids import new_id

pytestmark = pytest.mark.urls("tests.config.urls")

USERS, ECHO = "/v1/test/users", "/v1/test/echo"
STORES = ["memory", "database", "redis"]


@pytest.fixture
def name() -> str:
    """Somebody no other test knows: neither Redis nor memory is emptied between tests."""
    return str(new_id())


@pytest.fixture
def address() -> str:
    """An address no other test calls from."""
    return ".".join(str(byte) for byte in b"\x0a" + randbytes(3))


@pytest.fixture(params=STORES)
def counter(request: pytest.FixtureRequest, settings: Settings) -> counters.Counter:
    """Each place where requests are counted; without a Redis, its third is skipped."""
    if request.param == "memory":
        return counters.Memory()
    if request.param == "database":
        return counters.Database()
    if not settings.REDIS_URL:
        pytest.skip("this run is the one without Redis; that on PostgreSQL has it")
    return counters.Redis(settings.REDIS_URL)


@pytest.mark.django_db(transaction=True)
class TestCounting:
    def test_as_many_pass_as_are_allowed(self, counter: counters.Counter, name: str) -> None:
        waits = [counter.take(name, parse("3/hour")) for _ in range(5)]

        assert waits[:3] == [None] * 3
        assert all(wait is not None and 0 < wait <= 3600 for wait in waits[3:])

    def test_names_and_rates_are_counted_apart(self, counter: counters.Counter, name: str) -> None:
        assert counter.take(name, parse("1/hour")) is None

        assert counter.take(f"{name}-other", parse("1/hour")) is None
        assert counter.take(name, parse("1/day")) is None
        assert counter.take(name, parse("1/hour")) is not None

    def test_whoever_waits_as_long_as_told_is_let_through(self, counter: counters.Counter, name: str) -> None:
        rate, waited = parse("4/second"), 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            wait = counter.take(name, rate)
            if wait is not None:
                time.sleep(max(wait, 0) + 0.01)
                assert counter.take(name, rate) is None
                waited += 1

        assert waited >= 2

    def test_over_a_while_no_more_pass_than_the_rate_allows(self, counter: counters.Counter, name: str) -> None:
        passed, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            passed += counter.take(name, parse("5/second")) is None

        assert 5 <= passed <= 15

    def test_of_a_hundred_at_once_exactly_ten_pass_a_limit_of_ten(self, counter: counters.Counter, name: str) -> None:
        def take(_: int) -> bool:
            try:
                return counter.take(name, parse("10/day")) is None
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as threads:
            passed = list(threads.map(take, range(100)))

        assert sum(passed) == 10


@pytest.mark.django_db
class TestTheDatabase:
    HOUR = 3_600_000

    def full(self, name: str) -> None:
        """Somebody who has used an hour's limit of ten up."""
        counter = counters.Database()
        assert [counter.take(name, parse("10/hour")) for _ in range(10)] == [None] * 10

    def move(self, milliseconds: int) -> None:
        """What time would do to the one window there is."""
        assert RateWindow.objects.update(ends_at=F("ends_at") - milliseconds) == 1

    def test_of_the_window_before_as_much_counts_as_the_last_period_still_covers(self, name: str) -> None:
        self.full(name)
        self.move(self.HOUR)
        covered = (RateWindow.objects.get().ends_at + self.HOUR - time.time() * 1000) / self.HOUR

        passed = [counters.Database().take(name, parse("10/hour")) for _ in range(10)].count(None)

        assert abs(passed - 10 * (1 - covered)) <= 1

    def test_windows_that_are_two_periods_old_do_not_count(self, name: str) -> None:
        self.full(name)
        self.move(2 * self.HOUR)

        self.full(name)

    def test_whoever_comes_late_to_a_window_that_was_replaced_joins_the_newer_one(self, name: str) -> None:
        self.full(name)
        self.move(-self.HOUR)

        wait = counters.Database().take(name, parse("10/hour"))

        assert wait is not None
        assert 3600 <= wait <= 7200

    def test_counting_takes_one_statement(self, name: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(1):
            counters.Database().take(name, parse("10/hour"))

    def test_windows_that_count_no_more_are_forgotten(self, name: str, settings: Settings) -> None:
        settings.RATE_LIMIT_PER_TOKEN = settings.RATE_LIMIT_PER_ADDRESS = "10 per 1 hour"
        self.full(name)
        prune_windows()
        assert RateWindow.objects.count() == 1

        self.move(4 * self.HOUR)
        prune_windows()

        assert not RateWindow.objects.exists()


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def redis_is_away(self, settings: Settings) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

    def test_memory_counts_and_one_line_says_so(self, client: Client, address: str, settings: Settings) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "3 per 1 minute"

        with capture_logs() as logs:
            answers = [client.get(ECHO, REMOTE_ADDR=address) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert [line["event"] for line in logs].count("rate_limit_store_failed") == 1

    def test_redis_is_asked_again_after_a_while(self, name: str) -> None:
        counter = counters.Redis("redis://127.0.0.1:1/0")
        counter.take(name, parse("1/hour"))
        counter._is_away_until = time.monotonic()

        with capture_logs() as logs:
            counter.take(name, parse("1/hour"))

        assert [line["event"] for line in logs] == ["rate_limit_store_failed"]
