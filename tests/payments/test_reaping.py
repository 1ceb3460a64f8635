from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from structlog.testing import capture_logs

from payments.models import IdempotencyKey, SagaExecution
from payments.models.sagas import NEXT
from payments.reaping import BATCH, reap, reap_idempotency_keys
from tests.orders.builders import make_client, make_order
from tests.payments.builders import Api, advance, begin_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)
LONG_AGO = MONTH + timedelta(minutes=1)
REPLAYED = "Idempotent-Replayed"


def age(*, begun: timedelta = LONG_AGO, settled: timedelta = LONG_AGO) -> None:
    """What time would do to every key there is."""
    IdempotencyKey.objects.update(created_at=Now() - begun)
    IdempotencyKey.objects.exclude(frozen_at=None).update(frozen_at=Now() - settled)


def make_settled_keys(number: int) -> None:
    """Keys of what ended in one commit, as placing an order does."""
    client = make_client()
    keys = [IdempotencyKey(client=client, key=f"k{n}", fingerprint="f", status=201) for n in range(number)]
    IdempotencyKey.objects.bulk_create(keys)
    IdempotencyKey.objects.update(frozen_at=Now())
    age()


def saga_of(key: str) -> SagaExecution:
    return SagaExecution.objects.get(idempotency_key__key=key)


class TestForgetting:
    def test_a_settled_key_is_forgotten_and_its_saga_stays(self, api: Api) -> None:
        answer = api.checkout(api.order(), key="k")
        saga = saga_of("k")
        age()

        reap_idempotency_keys()

        assert not IdempotencyKey.objects.exists()
        saga.refresh_from_db()
        assert (saga.state, saga.idempotency_key) == ("completed", None)
        assert api.get(f"sagas/{saga.public_id}").json()["id"] == answer.json()["saga"]["id"]

    def test_a_key_of_what_ended_in_one_commit_is_forgotten_too(self, api: Api) -> None:
        api.post(f"orders/{api.order().public_id}/cancel", key="k")
        age()

        reap_idempotency_keys()

        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize("days", [1, 30])
    def test_a_key_is_kept_for_as_many_days_as_the_setting_says(self, api: Api, settings: Settings, days: int) -> None:
        settings.IDEMPOTENCY_KEY_DAYS = days
        order = api.order()
        first = api.checkout(order, key="k")
        age(begun=timedelta(days=days, minutes=-1), settled=timedelta(days=days, minutes=-1))

        reap_idempotency_keys()

        assert api.checkout(order, key="k").content == first.content

    def test_a_repetition_afterwards_is_a_first_use(self, api: Api) -> None:
        body = {"amount": 100, "reason": "Damaged."}
        charge = api.checkout(api.order()).json()["charge"]["id"]
        first = api.post(f"charges/{charge}/refunds", body, key="k")
        age()
        reap_idempotency_keys()

        again = api.post(f"charges/{charge}/refunds", body, key="k")

        assert (again.status_code, again.get(REPLAYED)) == (201, None)
        assert again.json()["id"] != first.json()["id"]

    def test_one_log_line_says_how_many(self) -> None:
        make_settled_keys(3)

        with capture_logs() as logs:
            reap_idempotency_keys()
            reap_idempotency_keys()

        assert logs == [{"event": "idempotency_keys_reaped", "keys": 3, "log_level": "info"}]


class TestKeeping:
    @pytest.mark.parametrize("state", [*SagaExecution.ACTIVE, *SagaExecution.STUCK])
    def test_a_key_whose_saga_is_open_is_kept(self, state: str) -> None:
        saga = begin_checkout(make_order())
        SagaExecution.objects.filter(pk=saga.pk).update(state=state)
        IdempotencyKey.objects.update(status=500, frozen_at=Now())  # should somebody ever freeze it early
        age()

        reap_idempotency_keys()

        saga.refresh_from_db()
        assert saga.idempotency_key is not None

    @pytest.mark.parametrize("state", SagaExecution.FINAL)
    def test_a_key_that_is_not_settled_is_kept_though_its_saga_is_over(self, state: str) -> None:
        saga = begin_checkout(make_order())
        SagaExecution.objects.filter(pk=saga.pk).update(state=state)
        age()

        reap_idempotency_keys()

        assert IdempotencyKey.objects.count() == 1

    def test_whoever_has_waited_for_a_long_saga_finds_its_answer(self, api: Api, sandbox: Sandbox) -> None:
        order = api.order()
        assert api.checkout(order, "tok_3ds", key="k").status_code == 202
        age()
        saga = saga_of("k")
        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - MONTH)
        assert advance(saga).state == "compensated"

        reap_idempotency_keys()

        answer = api.checkout(order, "tok_3ds", key="k")
        assert (answer.status_code, answer[REPLAYED]) == (402, "true")

    def test_only_final_states_are_without_a_way_out(self) -> None:
        """What is forgotten with the key, such as whether a client waits, must never be asked for again."""
        assert {state for state, following in NEXT.items() if not following} == set(SagaExecution.FINAL)


class TestBatches:
    def test_one_commit_forgets_no_more_than_it_is_told(self) -> None:
        make_settled_keys(5)

        assert [reap(MONTH, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_the_oldest_go_first(self) -> None:
        make_settled_keys(3)
        IdempotencyKey.objects.filter(key="k1").update(created_at=Now() - 2 * MONTH)

        reap(MONTH, limit=1)

        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"k0", "k2"}

    def test_the_job_goes_on_until_none_is_left(self) -> None:
        make_settled_keys(BATCH + 1)

        reap_idempotency_keys()

        assert not IdempotencyKey.objects.exists()

    def test_a_larger_batch_takes_no_more_statements(self) -> None:
        def statements(number: int) -> int:
            make_settled_keys(number)
            with CaptureQueriesContext(connection) as queries:
                assert reap(MONTH, limit=number) == number
            return len(queries)

        assert statements(2) == statements(20)

    def test_stored_answers_are_not_read(self) -> None:
        make_settled_keys(2)

        with CaptureQueriesContext(connection) as queries:
            reap(MONTH, limit=2)

        assert not [query for query in queries if '"answer"' in query["sql"]]


@pytest.mark.django_db(transaction=True)
def test_several_workers_at_once_forget_each_key_once(concurrently_settled: int) -> None:
    def work(_: int) -> int:
        try:
            return sum(iter(lambda: reap(MONTH, limit=7), 0))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        reaped = list(workers.map(work, range(4)))

    assert sum(reaped) == concurrently_settled
    assert not IdempotencyKey.objects.exists()
    assert not SagaExecution.objects.exclude(idempotency_key=None).exists()


@pytest.fixture
def concurrently_settled(transactional_db: None) -> int:
    """How many keys are settled: some of sagas, some of what ended in one commit."""
    sagas = [begin_checkout(make_order()) for _ in range(20)]
    SagaExecution.objects.update(state="completed")
    IdempotencyKey.objects.update(status=201, frozen_at=Now())
    make_settled_keys(30)
    return len(sagas) + 30


def test_the_worker_reaps(settings: Settings) -> None:
    assert "payments.reaping.reap_idempotency_keys" in settings.PERIODIC_JOBS
