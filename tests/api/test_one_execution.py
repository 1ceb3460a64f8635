"""One key, one execution, whatever the web servers do: two of them at once, and one that is killed."""

import time
from collections import Counter
from threading import Thread
from typing import Any

import pytest
import urllib3

from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.servers import WebServer, post, post_at_once
from tests.api.tables import contents
from tests.config.builders import bearer, make_token
from tests.payments.builders import Api
from tests.processes import wait_until
from tests.sandbox import Sandbox

TIMES = 100
LEASE_SECONDS = 4


class Effects:
    """What has come into being since: rows of each table, and entries of the gateway's journal."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._rows, self._calls = self._look()

    def since(self) -> tuple[Counter[str], Counter[str]]:
        rows, made = self._look()
        return rows - self._rows, made - self._calls

    def _look(self) -> tuple[Counter[str], Counter[str]]:
        rows = Counter({name: count for name, (count, _) in contents().items()})
        made = Counter(f"{entry['operation']} {entry['result']}" for entry in self._sandbox.journal())
        return rows, made


def effects_of_one(endpoint: Endpoint, api: Api, sandbox: Sandbox) -> tuple[Counter[str], Counter[str]]:
    request = calls.request(endpoint, api)
    effects = Effects(sandbox)
    assert api.post(request.path, request.body).status_code in (200, 201)
    return effects.since()


def assert_one_was_carried_out(answers: list[urllib3.BaseHTTPResponse]) -> None:
    """One answer, its replays to the byte, and requests to come again later."""
    told = [answer for answer in answers if answer.status in (200, 201)]
    refused = [answer for answer in answers if answer.status == 409]
    assert len(told) + len(refused) == len(answers), Counter(answer.status for answer in answers)
    assert [answer.headers.get("Idempotent-Replayed") for answer in told].count(None) == 1
    assert len({answer.data for answer in told}) == 1
    assert {answer.json()["code"] for answer in refused} <= {"idempotency_in_flight"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


def test_of_a_hundred_identical_posts_to_two_servers_one_is_carried_out(
    served: dict[str, str], sandbox: Sandbox, subtests: pytest.Subtests
) -> None:
    api = Api(calls.everything())
    headers = bearer(make_token(api.user))

    with WebServer(served) as one, WebServer(served) as other:
        for endpoint in (endpoint for endpoint in endpoints() if endpoint.takes_key):
            with subtests.test(str(endpoint)):
                expected = effects_of_one(endpoint, api, sandbox)
                request = calls.request(endpoint, api)
                effects = Effects(sandbox)
                urls = [f"{server.url}/v1/{request.path}" for server in (one, other)]
                sent = {**headers, "Idempotency-Key": f"the key of {endpoint.name}"}

                answers = post_at_once(urls, request.body, sent, times=TIMES)

                assert_one_was_carried_out(answers)
                assert effects.since() == expected
                assert IdempotencyKey.objects.filter(key=sent["Idempotency-Key"]).count() == 1


@pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
def test_a_server_killed_in_mid_checkout_and_asked_again_gives_the_same_single_charge(
    served: dict[str, str], sandbox: Sandbox, operation: str
) -> None:
    api = Api()
    order = api.order()
    headers = {**bearer(make_token(api.user)), "Idempotency-Key": "k"}
    environment = {**served, "GATEWAY_TIMEOUT_SECONDS": "0.9", "SAGA_LEASE_SECONDS": str(LEASE_SECONDS)}
    sandbox.fault("drop_after", operation=operation, times=1)

    def done() -> list[dict[str, Any]]:
        return [entry for entry in sandbox.effective(operation) if entry["order"] == order.public_id]

    with WebServer(environment) as server:
        url = f"{server.url}/v1/orders/{order.public_id}/checkout"
        client = Thread(target=lambda: _post_in_vain(url, headers))
        client.start()
        wait_until(done)
        server.kill()
        client.join()
        saga = SagaExecution.objects.get(order=order)
        assert not saga.is_final

        server.start()
        answer = _post_until_settled(url, headers)
        again = post(url, {"payment_method": "tok_visa"}, headers)

    assert (answer.status, answer.json()["order"]["status"]) == (201, "completed"), answer.data
    assert answer.json()["saga"]["id"] == saga.public_id
    assert (again.data, again.headers["Idempotent-Replayed"]) == (answer.data, "true")
    for name in ("authorize", "capture", "ship"):
        assert len([entry for entry in sandbox.effective(name) if entry["order"] == order.public_id]) == 1, name
    assert ChargeAttempt.objects.get(order=order).captured_minor == order.amount_minor


def _post_in_vain(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError):
        post(url, {"payment_method": "tok_visa"}, headers)


def _post_until_settled(url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
    """As a client does that lost its answer: the same request again, as long as it is told to wait."""
    deadline = time.monotonic() + 5 * LEASE_SECONDS
    while True:
        answer = post(url, {"payment_method": "tok_visa"}, headers)
        if answer.status not in (202, 409):
            return answer
        assert time.monotonic() < deadline, answer.data
        time.sleep(float(answer.headers.get("Retry-After", 1)))
