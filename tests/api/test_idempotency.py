"""Every row of the contract's table of idempotency, on every POST there is.

What a checkout does beyond that (402 and 502, parked, died on, a fault of ours) is in tests/payments/test_idempotency.
"""

from typing import Any, Final

import pytest
from django.db import connection

from payments.models import IdempotencyKey
from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.tables import contents
from tests.payments.builders import Api
from tests.sandbox import Sandbox

POSTS: Final = [endpoint for endpoint in endpoints() if endpoint.takes_key]
REPLAYED: Final = "Idempotent-Replayed"

pytestmark = pytest.mark.parametrize("post", POSTS, ids=str)


@pytest.fixture
def api(db: None, sandbox: Sandbox) -> Api:
    return Api(calls.everything())


def code(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


def is_success(answer: Any) -> bool:
    return answer.status_code in (200, 201, 202)


class TestWhatStoresNothing:
    """A refused request leaves everything as it was; its key may be used for the mended one."""

    def refuse(self, api: Api, post: Endpoint, expected: tuple[int, str], **changes: Any) -> None:
        request = calls.request(post, api)
        before = contents()

        refused = api.post(request.path, changes.pop("body", request.body), **{"key": "k", **changes})

        assert code(refused) == expected
        assert contents() == before
        again = api.post(request.path, request.body, key="k")
        assert (is_success(again), again.get(REPLAYED)) == (True, None), again.content

    def test_no_key(self, api: Api, post: Endpoint) -> None:
        self.refuse(api, post, (400, "idempotency_key_missing"), key=None)

    @pytest.mark.parametrize("key", ["x" * 256, '"' + "x" * 256 + '"', "caf\xe9", '""', " ", "a\tb", "\u0661"])
    def test_a_malformed_key(self, api: Api, post: Endpoint, key: str) -> None:
        self.refuse(api, post, (400, "idempotency_key_invalid"), key=key)

    def test_an_unknown_token(self, api: Api, post: Endpoint) -> None:
        self.refuse(api, post, (401, "unauthenticated"), Authorization=f"Bearer {'0' * 64}")

    def test_a_missing_permission(self, api: Api, post: Endpoint) -> None:
        groups = list(api.user.groups.all())
        request = calls.request(post, api)
        api.user.groups.clear()
        before = contents()

        assert code(api.post(request.path, request.body, key="k")) == (403, "permission_denied")

        assert contents() == before
        api.user.groups.set(groups)
        assert is_success(api.post(request.path, request.body, key="k"))

    def test_a_faulty_body(self, api: Api, post: Endpoint) -> None:
        self.refuse(api, post, (422, "validation_failed"), body={"no_such_member": 1})

    def test_a_body_that_is_not_json(self, api: Api, post: Endpoint) -> None:
        self.refuse(api, post, (400, "malformed"), body=b"{")


class TestOneUse:
    def test_the_first_use_runs_and_the_next_gets_its_answer_to_the_byte(self, api: Api, post: Endpoint) -> None:
        request = calls.request(post, api)
        first = api.post(request.path, request.body, key="k")
        before = contents()

        again = api.post(request.path, request.body, key="k")

        assert (is_success(first), first.get(REPLAYED)) == (True, None), first.content
        assert (again.status_code, again.content, again[REPLAYED]) == (first.status_code, first.content, "true")
        assert {name: again.get(name) for name in ("Content-Type", "Location")} == {
            name: first.get(name) for name in ("Content-Type", "Location")
        }
        assert contents() == before

    def test_the_key_commits_together_with_what_it_begins(self, api: Api, post: Endpoint) -> None:
        request = calls.request(post, api)
        api.post(request.path, request.body, key="k")

        used = IdempotencyKey.objects.get(client=api.user, key="k")
        assert used.is_frozen
        assert used.status in (200, 201)

    def test_a_bare_and_a_quoted_key_are_the_same(self, api: Api, post: Endpoint) -> None:
        request = calls.request(post, api)
        first = api.post(request.path, request.body, key="the-key")

        again = api.post(request.path, request.body, key=' "the-key" ')

        assert (again.content, again[REPLAYED]) == (first.content, "true")

    def test_a_key_used_for_another_request_is_refused_and_the_original_untouched(
        self, api: Api, post: Endpoint
    ) -> None:
        request = calls.request(post, api)
        first = api.post(request.path, request.body, key="k")
        before = contents()

        assert code(api.post(request.other_path, request.other_body, key="k")) == (422, "idempotency_key_reused")

        assert contents() == before
        assert api.post(request.path, request.body, key="k").content == first.content

    def test_a_key_is_its_clients_own(self, api: Api, post: Endpoint) -> None:
        other = Api(calls.everything())
        requests = [calls.request(post, client) for client in (api, other)]

        answers = [
            client.post(request.path, request.body, key="k")
            for client, request in zip((api, other), requests, strict=True)
        ]

        assert [(is_success(answer), answer.get(REPLAYED)) for answer in answers] == [(True, None)] * 2
        assert answers[0].content != answers[1].content


def test_without_its_key_store_nothing_runs(
    transactional_db: None, sandbox: Sandbox, post: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(calls.everything())
    request = calls.request(post, api)
    before, calls_made = contents(), len(sandbox.journal())

    with monkeypatch.context() as away:
        for name, value in {"NAME": "/nowhere/at/all", "HOST": "127.0.0.1", "PORT": "1"}.items():
            away.setitem(connection.settings_dict, name, value)
        connection.close()
        refused = api.post(request.path, request.body, key="k")
        connection.close()

    assert code(refused) == (503, "unavailable")
    assert int(refused["Retry-After"]) >= 1
    assert (contents(), len(sandbox.journal())) == (before, calls_made)
    assert is_success(api.post(request.path, request.body, key="k"))
