from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from django.test import Client, override_settings

NOBODY = "redis://127.0.0.1:1/0"
CACHE = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": NOBODY}}


def test_a_process_that_answers_lives(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
@override_settings(CELERY_BROKER_URL=None)
def test_every_part_is_named_when_all_is_well(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "cache": "ok", "broker": "not configured"},
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("part", "changed"), [("cache", {"CACHES": CACHE}), ("broker", {"CELERY_BROKER_URL": NOBODY})])
def test_a_part_that_cannot_be_reached_is_named_and_its_address_is_not(
    client: Client, part: str, changed: dict[str, Any]
) -> None:
    with override_settings(**changed):
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"][part] == "failed"
    assert answer.json()["checks"]["database"] == "ok"
    assert b"127.0.0.1" not in answer.content


@pytest.mark.django_db
def test_a_database_that_cannot_be_reached_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connections["default"]
    connection.close()
    unreachable = {"NAME": "/nowhere/paydesk.sqlite3", "HOST": "127.0.0.1", "PORT": "1"}
    with monkeypatch.context() as changed:
        for name, value in unreachable.items():
            changed.setitem(connection.settings_dict, name, value)
        answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failed")
    caches.close_all()


@pytest.mark.django_db
def test_metrics_count_requests_by_route_and_never_by_path(client: Client) -> None:
    client.get("/v1/made-up-by-a-client")

    text = client.get("/metrics").content.decode()

    assert 'paydesk_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert "made-up" not in text


@pytest.mark.django_db
def test_the_metrics_token_is_asked_for_when_there_is_one(client: Client) -> None:
    ask: Callable[[str], int] = lambda header: client.get("/metrics", headers={"Authorization": header}).status_code  # noqa: E731
    with override_settings(METRICS_TOKEN="s3cret"):
        assert client.get("/metrics").status_code == 401
        assert [ask(header) for header in ("Bearer wrong", "s3cret", "Basic s3cret", "Bearer \xff")] == [401] * 4
        assert [ask(header) for header in ("Bearer s3cret", "bearer s3cret")] == [200] * 2
