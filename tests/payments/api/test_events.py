"""Events and webhook endpoints as a client meets them: its own, and a secret once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from orders.models import Order
from payments.events import endpoints
from payments.events.pruning import prune_events
from payments.models import ClientEvent, EventDelivery, IdempotencyKey, WebhookEndpoint, WebhookSecret
from tests.config.builders import make_user
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import receiving
from tests.payments.builders import Api
from tests.payments.events.builders import key_of, make_endpoint, make_event, pass_time, relay, verified

URL = "https://hooks.example.com/paydesk"

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def made(api: Api, **body: Any) -> Any:
    answer = api.post("webhook-endpoints", {"url": URL, **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def page(endpoint: Any) -> str:
    return f"webhook-endpoints/{endpoint['id']}"


class TestEvents:
    def test_a_client_without_an_endpoint_reads_what_happened(self, api: Api) -> None:
        event = make_event(api.user)

        [row] = api.get("events").json()["results"]

        assert row == api.get(f"events/{event.public_id}").json()
        assert (row["type"], row["object"], row["data"]) == ("order.cancelled", event.subject, event.data)

    def test_events_are_found_by_type_by_object_and_by_time(self, api: Api) -> None:
        wanted, other = make_event(api.user), make_order(api.user)
        other.move(Order.Status.PROCESSING)
        other.move(Order.Status.COMPLETED)

        for query in ({"type": "order.cancelled"}, {"object": wanted.subject}):
            found = api.get("events", **query).json()["results"]
            assert [row["id"] for row in found] == [wanted.public_id]
        assert api.get("events", created_before="2020-01-01").json()["results"] == []
        assert len(api.get("events", created_after="2020-01-01").json()["results"]) == 2
        assert api.get("events", type="order.eaten").status_code == 422

    def test_an_operator_reads_those_of_every_client(self) -> None:
        operator = Api(make_user("op", groups=("Operator",)))
        event = make_event(make_client())

        assert operator.get(f"events/{event.public_id}").status_code == 200


class TestEndpoints:
    def test_a_secret_is_in_the_answer_that_makes_it_and_in_no_other(self, api: Api) -> None:
        answer = api.post("webhook-endpoints", {"url": URL, "events": ["charge.*"]})

        endpoint = answer.json()
        assert endpoint["secret"] == WebhookSecret.objects.get().key
        assert endpoint["secret"].startswith("whsec_")
        assert answer["Location"] == f"/v1/{page(endpoint)}"
        assert (endpoint["url"], endpoint["events"], endpoint["status"]) == (URL, ["charge.*"], "enabled")
        for path in ("webhook-endpoints", page(endpoint), f"{page(endpoint)}/deliveries", "events"):
            assert "whsec_" not in api.get(path).content.decode()

    def test_a_replay_says_the_same_and_what_is_kept_for_it_does_not_hold_the_secret(self, api: Api) -> None:
        first = api.post("webhook-endpoints", {"url": URL}, key="once")

        again = api.post("webhook-endpoints", {"url": URL}, key="once")

        assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
        assert WebhookEndpoint.objects.count() == 1
        row = IdempotencyKey.objects.get(key="once")
        assert b"whsec_" not in bytes(row.answer) + json.dumps(row.headers).encode()

    def test_a_replay_does_not_tell_a_secret_that_is_not_valid_any_more(self, api: Api) -> None:
        first = api.post("webhook-endpoints", {"url": URL}, key="once").json()
        api.post(f"{page(first)}/rotate-secret", {"overlap_hours": 1})
        pass_time(hours=2)

        again = api.post("webhook-endpoints", {"url": URL}, key="once").json()

        assert again == {**first, "secret": None}

    def test_a_secret_is_replaced_and_told_once(self, api: Api) -> None:
        with receiving() as receiver:
            endpoint = made(api, url=receiver.url)
            rotated = api.post(f"{page(endpoint)}/rotate-secret", {})
            make_event(api.user)
            relay()

        assert rotated.status_code == 200
        row, [post] = WebhookEndpoint.objects.get(), receiver.posts
        assert rotated.json()["secret"] == key_of(row) != endpoint["secret"]
        assert verified(row, post, key=endpoint["secret"]) == verified(row, post, key=rotated.json()["secret"])
        expires = WebhookSecret.objects.exclude(expires_at=None).get()
        assert timedelta(hours=23) < (expires.expires_at or expires.created_at) - expires.created_at

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"url": ""},
            {"url": "http://10.0.0.1/"},
            {"url": "https://10.0.0.1/"},
            {"url": "https://169.254.169.254/latest"},
            {"url": "https://[::ffff:127.0.0.1]/"},
            {"url": "https://2130706433/"},
            {"url": "https://user:pw@hooks.example.com/"},
            {"url": URL, "events": ["order.eaten"]},
            {"url": URL, "events": "charge.*"},
            {"url": URL, "enabled": True},
            {"url": URL, "secret": "whsec_mine"},
        ],
    )
    def test_what_cannot_be_called_or_is_not_known_is_refused(
        self, api: Api, settings: Settings, body: dict[str, Any]
    ) -> None:
        settings.OUTBOUND_ALLOWED_NETWORKS = []

        assert api.post("webhook-endpoints", body).status_code == 422
        assert not WebhookEndpoint.objects.exists()

    def test_a_client_has_no_more_than_fifty(self, api: Api) -> None:
        for _ in range(endpoints.MOST):
            make_endpoint(api.user)

        answer = api.post("webhook-endpoints", {"url": URL})

        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")
        assert Api().post("webhook-endpoints", {"url": URL}).status_code == 201

    def test_an_endpoint_is_changed_disabled_enabled_and_deleted(self, api: Api) -> None:
        endpoint = made(api)
        changed = api.patch(page(endpoint), {"url": f"{URL}/2", "events": ["refund.failed"]}).json()
        assert (changed["url"], changed["events"]) == (f"{URL}/2", ["refund.failed"])

        disabled = api.patch(page(endpoint), {"enabled": False}).json()
        assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "request")
        assert api.post(f"{page(endpoint)}/test").status_code == 409
        assert api.patch(page(endpoint), {"enabled": True}).json()["status"] == "enabled"
        assert api.patch(page(endpoint), {"enabled": True}).status_code == 200
        assert api.patch(page(endpoint), {"enabled": "true"}).status_code == 422
        assert api.patch(page(endpoint), {"url": "https://127.1/"}).status_code == 422

        assert api.delete(page(endpoint)).json()["status"] == "deleted"
        gone = [api.get(page(endpoint)), api.delete(page(endpoint)), api.patch(page(endpoint), {"enabled": True})]
        gone += [api.get(f"{page(endpoint)}/deliveries"), api.post(f"{page(endpoint)}/rotate-secret")]
        assert {(answer.status_code, answer.json()["code"]) for answer in gone} == {(410, "endpoint_deleted")}
        assert Api().get(page(endpoint)).status_code == 404
        assert api.get("webhook-endpoints").json()["results"] == []
        assert not WebhookSecret.objects.exists()

    def test_a_test_event_is_sent_and_sent_again(self, api: Api) -> None:
        with receiving(500, 204) as receiver:
            endpoint = made(api, url=receiver.url)
            sent = api.post(f"{page(endpoint)}/test")
            relay()
            path = f"{page(endpoint)}/deliveries/{sent.json()['id']}"
            failed = api.get(path).json()
            busy = api.post(f"{path}/resend")
            pass_time(minutes=2)
            again = api.post(f"{path}/resend")
            relay()

        assert (sent.status_code, sent["Location"]) == (201, f"/v1/{path}")
        assert (failed["status"], failed["http_status"], failed["error"]) == ("pending", 500, "answered 500")
        assert (busy.status_code, again.status_code, len(receiver.posts)) == (409, 200, 2)
        [row] = api.get(f"{page(endpoint)}/deliveries", status="delivered").json()["results"]
        assert (row["type"], row["event"], row["next_attempt_at"]) == ("webhook.test", failed["event"], None)

    def test_nobody_meets_what_is_another_clients(self, api: Api) -> None:
        other = Api()
        endpoint = made(api)
        delivery = api.post(f"{page(endpoint)}/test").json()["id"]
        own = made(other)

        for path in (page(endpoint), f"{page(endpoint)}/deliveries", f"{page(own)}/deliveries/{delivery}"):
            assert other.get(path).status_code == 404
        for path in ("rotate-secret", "test", f"deliveries/{delivery}/resend"):
            assert other.post(f"{page(endpoint)}/{path}").status_code == 404
        assert other.post(f"{page(own)}/deliveries/{delivery}/resend").status_code == 404
        assert other.patch(page(endpoint), {"enabled": False}).status_code == 404
        assert other.delete(page(endpoint)).status_code == 404
        assert WebhookEndpoint.objects.get(client=api.user).state == "enabled"

    def test_an_auditor_reads_and_changes_nothing_and_an_operator_may_do_all(self, api: Api) -> None:
        endpoint = made(api)
        auditor, operator = (Api(make_user(name, groups=(name,))) for name in ("Auditor", "Operator"))

        assert auditor.get(page(endpoint)).status_code == operator.get(page(endpoint)).status_code == 200
        assert auditor.post(f"{page(endpoint)}/rotate-secret").status_code == 403
        assert auditor.patch(page(endpoint), {"enabled": False}).status_code == 403
        assert auditor.delete(page(endpoint)).status_code == 403
        assert operator.post(f"{page(endpoint)}/rotate-secret").status_code == 200
        assert operator.patch(page(endpoint), {"enabled": False}).status_code == 200


def test_no_secret_gets_into_a_log_line_or_a_representation(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with receiving(500) as receiver:
        endpoint = made(api, url=receiver.url)
        api.post(f"{page(endpoint)}/rotate-secret")
        make_event(api.user)
        relay()

    keys = list(WebhookSecret.objects.values_list("key", flat=True))
    told = caplog.text + "".join(f"{secret!r} {secret}" for secret in WebhookSecret.objects.all())
    assert len(keys) == 2
    for word in (*keys, "token=secret"):
        assert word not in told


def test_what_is_old_and_through_is_forgotten_and_what_is_on_its_way_is_not(settings: Settings) -> None:
    settings.CLIENT_EVENT_DAYS = 0
    client = make_client()
    with receiving(204, 500) as receiver:
        make_endpoint(client, receiver.url)
        done, waiting = make_event(client), make_event(client)
        relay()
        fresh = make_event(client)
    prune_events()

    left = set(ClientEvent.objects.values_list("pk", flat=True))
    assert left == {waiting.pk, fresh.pk}
    assert not EventDelivery.objects.filter(event=done.pk).exists()
