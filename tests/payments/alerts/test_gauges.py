import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils import timezone

from config import metrics
from orders.ids import new_id
from payments import captures, circuits
from payments.alerts import services
from payments.models import SagaExecution
from tests.config.builders import make_user
from tests.payments.alerts.builders import KIND, make_alert, make_stuck_saga


def scraped(client: Client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    return {name: float(value) for name, value in re.findall(r"^(paydesk_\S+) (\S+)$", text, re.MULTILINE)}


@pytest.mark.django_db
class TestFigures:
    def test_alerts_are_counted_by_kind_and_known_kinds_begin_at_zero(self, client: Client) -> None:
        for subject in ("saga_1", "saga_2"):
            make_alert(subject, kind="failed_compensation")
        make_alert("run_1")
        make_alert("run_2")
        services.clear_alert(KIND, "run_2")

        found = scraped(client)

        assert found['paydesk_alerts_open{kind="failed_compensation"}'] == 2
        assert found[f'paydesk_alerts_open{{kind="{KIND}"}}'] == 1
        assert found['paydesk_alerts_open{kind="backlog_age"}'] == 0

    def test_sagas_that_have_not_ended_are_counted_by_state(self, client: Client) -> None:
        for state in ("waiting", "waiting", "failed_compensation", "completed"):
            make_stuck_saga(state)
        make_stuck_saga("running", waiting_for="unknown_outcome")

        found = scraped(client)

        states = {name: value for name, value in found.items() if name.startswith("paydesk_sagas{")}
        assert states == {f'paydesk_sagas{{state="{state}"}}': count for state, count in {
            "pending": 0, "running": 1, "waiting": 2, "compensating": 0, "needs_attention": 0,
            "failed_compensation": 1,
        }.items()}  # fmt: skip
        assert found["paydesk_unknown_outcomes"] == 1

    def test_the_age_of_what_has_been_due_longest_is_told(self, client: Client) -> None:
        assert scraped(client)["paydesk_sagas_due_age_seconds"] == 0
        for minutes in (5, 1, -5):
            make_stuck_saga("pending", next_run_at=timezone.now() - timedelta(minutes=minutes))

        assert 300 <= scraped(client)["paydesk_sagas_due_age_seconds"] < 310

    def test_stopped_captures_are_told(self, client: Client) -> None:
        assert scraped(client)["paydesk_captures_stopped"] == 0

        captures.stop_captures(by="ann", reason="Why.")

        assert scraped(client)["paydesk_captures_stopped"] == 1

    def test_a_gateway_that_is_left_alone_is_told(self, client: Client) -> None:
        name = 'paydesk_gateway_breaker_open{gateway="sandbox"}'
        assert scraped(client)[name] == 0
        circuits.decide("sandbox", forced="open", by=make_user("ann"), reason="Why not.")

        assert scraped(client)[name] == 1

    def test_a_scrape_takes_few_queries_however_much_there_is(
        self, client: Client, django_assert_num_queries: Any
    ) -> None:
        order = make_stuck_saga().order
        SagaExecution.objects.bulk_create(
            SagaExecution(definition="checkout", version=1, business_key=f"{new_id()}", order=order) for _ in range(50)
        )

        with django_assert_num_queries(5 if settings.REDIS_URL else 6):  # Redis keeps the breakers where there is one.
            client.get("/metrics")


@pytest.mark.django_db
def test_of_several_processes_they_are_told_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    text = metrics.exposition().decode()

    assert text.count("\npaydesk_captures_stopped 0.0") == 1


@pytest.mark.django_db
def test_while_the_database_is_away_they_are_absent_and_the_rest_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections["default"]
    connection.close()
    unreachable = {"NAME": "/nowhere/paydesk.sqlite3", "HOST": "127.0.0.1", "PORT": "1"}
    with monkeypatch.context() as changed:
        for name, value in unreachable.items():
            changed.setitem(connection.settings_dict, name, value)
        answer = client.get("/metrics")

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "paydesk_http_requests_total" in text
    assert "paydesk_sagas" not in text.replace("paydesk_sagas_ended_total", "").replace(
        "paydesk_sagas_ended_created", ""
    )
    assert "paydesk_alerts_open" not in text
