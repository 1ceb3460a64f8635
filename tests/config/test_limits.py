import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import randbytes
from typing import Any

import pytest
import urllib3
from django.test import Client, RequestFactory
from knox.models import AuthToken
from pytest_django import DjangoAssertNumQueries, Settings

from config.limits import address_of
from config.models import RateWindow
from tests.config.builders import bearer, make_token, make_user
from tests.processes import web_server

pytestmark = pytest.mark.urls("tests.config.urls")

USERS, ECHO = "/v1/test/users", "/v1/test/echo"


@pytest.fixture
def address() -> str:
    """An address no other test calls from."""
    return ".".join(str(byte) for byte in b"\x0a" + randbytes(3))


@pytest.fixture
def token(db: None) -> str:
    return make_token(make_user("client", "auth.view_user"))


def refused(answer: Any) -> int:
    """After how many seconds to come back, of an answer that has to be a 429."""
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert (answer.json()["code"], answer.json()["retriable"]) == ("too_many_requests", True)
    return int(answer["Retry-After"])


def is_end_of_window(seconds_from_now: int, settings: Settings) -> bool:
    """To two seconds: a window that is full has to end. It is a minute of the clock; in Redis, from its first request.

    What is counted for Redis in memory, after another test has taken Redis away, is counted by the clock.
    """
    is_end_of_minute = abs((time.time() + seconds_from_now + 30) % 60 - 30) <= 2
    return is_end_of_minute or (bool(settings.REDIS_URL) and 58 <= seconds_from_now <= 60)


class TestTokens:
    def test_a_token_that_asks_too_often_is_told_when_to_come_back(
        self, client: Client, token: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_TOKEN = "2 per 1 minute"

        answers = [client.get(USERS, headers=bearer(token)) for _ in range(3)]

        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert is_end_of_window(refused(answers[2]), settings)

    def test_coming_back_when_told_succeeds(self, client: Client, token: str, settings: Settings) -> None:
        settings.RATE_LIMIT_PER_TOKEN = "1 per 1 second"
        client.get(USERS, headers=bearer(token))

        time.sleep(refused(client.get(USERS, headers=bearer(token))))

        assert client.get(USERS, headers=bearer(token)).status_code == 200

    def test_another_token_of_the_same_client_has_a_limit_of_its_own(
        self, client: Client, token: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_TOKEN = "1 per 1 minute"
        another = make_token(AuthToken.objects.get().user)

        assert client.get(USERS, headers=bearer(token)).status_code == 200
        assert client.get(USERS, headers=bearer(another)).status_code == 200

    def test_nothing_a_client_sends_makes_it_somebody_else(
        self, client: Client, token: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_TOKEN = "1 per 1 minute"
        client.get(USERS, headers=bearer(token))

        varied = [
            client.get(f"{USERS}?x=1", headers=bearer(token)),
            client.get(USERS, headers={**bearer(token), "X-Forwarded-For": "192.0.2.1", "X-Request-ID": "1"}),
            client.get(USERS, headers={"Authorization": f"bEARER  {token}"}),
            client.get(USERS, headers=bearer(token), REMOTE_ADDR="192.0.2.1"),
        ]

        assert all(refused(answer) for answer in varied)

    def test_a_request_without_a_token_is_limited_by_its_address_alone(
        self, client: Client, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_TOKEN = "1 per 1 minute"

        assert [client.get(ECHO).status_code for _ in range(3)] == [200] * 3

    def test_where_memory_counts_nothing_is_written(
        self, client: Client, token: str, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        settings.REDIS_URL, settings.WEB_CONCURRENCY = None, 1

        with django_assert_num_queries(2) as queries:
            assert client.get(USERS, headers=bearer(token)).status_code == 200

        assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)

    def test_several_processes_without_redis_count_in_the_database(
        self, client: Client, token: str, settings: Settings
    ) -> None:
        settings.REDIS_URL, settings.WEB_CONCURRENCY = None, 2

        client.get(USERS, headers=bearer(token))

        names = set(RateWindow.objects.values_list("name", flat=True))
        assert len(names) == 2
        assert not [name for name in names if "127.0.0.1" in name or AuthToken.objects.get().digest in name]


class TestAddresses:
    def test_an_address_is_counted_before_anybody_is_authenticated(
        self, client: Client, db: None, address: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "3 per 1 minute"

        headers = [bearer("x" * 64), bearer("\xff"), {}, {}]
        answers = [client.get(USERS, headers=each, REMOTE_ADDR=address) for each in headers]

        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert is_end_of_window(refused(answers[3]), settings)
        assert answers[3]["X-Request-ID"] == answers[3].json()["request_id"]

    def test_what_a_revoked_token_asks_for_counts_too(
        self, client: Client, token: str, address: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "1 per 1 minute"
        AuthToken.objects.all().delete()

        answers = [client.get(USERS, headers=bearer(token), REMOTE_ADDR=address) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [401, 429]

    def test_addresses_that_lead_nowhere_count(self, client: Client, address: str, settings: Settings) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "1 per 1 minute"

        answers = [client.get("/v1/nowhere", REMOTE_ADDR=address) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [404, 429]

    @pytest.mark.parametrize(
        "path", ["/healthz", "/metrics", "/v1/", "/v1/docs", "/v1/docs/errors", "/v1/openapi.json", "/admin/login/"]
    )
    @pytest.mark.django_db
    def test_what_is_not_limited_stays_within_reach(
        self, client: Client, address: str, settings: Settings, path: str
    ) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "1 per 1 minute"
        client.get(ECHO, REMOTE_ADDR=address)

        assert {client.get(path, REMOTE_ADDR=address).status_code for _ in range(2)} <= {200, 302}
        assert refused(client.get(ECHO, REMOTE_ADDR=address))

    @pytest.mark.django_db
    def test_webhooks_are_limited_by_their_signature_alone(
        self, client: Client, address: str, settings: Settings
    ) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "1 per 1 minute"

        answers = [client.post("/v1/webhooks/sandbox", REMOTE_ADDR=address) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [400] * 3

    def test_a_page_that_may_call_can_read_that_it_called_too_often(
        self, client: Client, address: str, settings: Settings
    ) -> None:
        settings.CORS_ALLOWED_ORIGINS, settings.RATE_LIMIT_PER_ADDRESS = ["https://shop.example.com"], "1 per 1 minute"
        headers = {"Origin": "https://shop.example.com"}
        client.get(ECHO, headers=headers, REMOTE_ADDR=address)

        answer = client.get(ECHO, headers=headers, REMOTE_ADDR=address)

        assert refused(answer)
        assert answer["Access-Control-Allow-Origin"] == "https://shop.example.com"
        assert "Retry-After" in answer["Access-Control-Expose-Headers"]

    @pytest.mark.django_db  # what is scraped is read from the database too
    def test_refusals_are_counted(self, client: Client, address: str, settings: Settings) -> None:
        settings.RATE_LIMIT_PER_ADDRESS = "1 per 1 minute"
        client.get(ECHO, REMOTE_ADDR=address)
        before = refusals(client)

        client.get(ECHO, REMOTE_ADDR=address)

        assert refusals(client) == before + 1


def refusals(client: Client) -> float:
    lines = client.get("/metrics").content.decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith('paydesk_rate_limited_total{limit="a')
    )


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7, 198.51.100.8", "198.51.100.7"),
        (1, "198.51.100.7:4711", "192.0.2.1"),
        (1, "unknown", "192.0.2.1"),
        (1, "198.51.100.7,", "192.0.2.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_so_many_proxies_are_believed(settings: Settings, proxies: int, forwarded: str, address: str) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")) == address


def test_a_request_from_nowhere_has_an_address_too() -> None:
    assert address_of(RequestFactory().get("/", REMOTE_ADDR="")) == "None"


@pytest.fixture(params=["database", "redis"])
def two_servers(
    request: pytest.FixtureRequest, process_environment: dict[str, str], settings: Settings
) -> Iterator[list[str]]:
    """Two web servers that share nothing but the place where requests are counted."""
    is_redis = request.param == "redis"
    if is_redis and not settings.REDIS_URL:
        pytest.skip("this run is the one without Redis; that on PostgreSQL has it")
    environment = process_environment | {
        "REDIS_URL": process_environment["REDIS_URL"] if is_redis else "",
        "RATE_LIMIT_PER_TOKEN": "10/day",
    }
    with ExitStack() as stack:
        yield [stack.enter_context(web_server(environment, processes=1 if is_redis else 2)) for _ in range(2)]


def test_of_a_hundred_requests_at_once_to_several_processes_exactly_ten_pass(two_servers: list[str]) -> None:
    headers = bearer(make_token(make_user("client", "orders.view_order")))
    with urllib3.PoolManager(maxsize=20, retries=False, timeout=30.0) as http:

        def ask(number: int) -> int:
            return http.request("GET", f"{two_servers[number % 2]}/v1/orders", headers=headers).status

        with ThreadPoolExecutor(20) as threads:
            statuses = list(threads.map(ask, range(100)))

    assert (statuses.count(200), statuses.count(429)) == (10, 90)
