from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from payments.errors import LeaseLostError
from payments.models import SagaExecution, SagaStep
from payments.sagas import engine, leases
from payments.sagas.definition import Saga
from payments.sagas.run import Run
from tests.payments.builders import WORKER, make_due
from tests.payments.sagas.builders import Scripted, define, local, start

THREADS = 6


def do_nothing(_run: Run) -> None:
    return None


def nothing_to_do() -> Saga:
    return define(local(do_nothing))


def claimed(saga: SagaExecution, *, owner: str = WORKER) -> Run:
    assert leases.claim(saga.pk, owner=owner)
    return engine.load(saga.pk)


@pytest.mark.django_db
class TestOneOwner:
    def test_of_two_workers_the_second_gets_nothing(self) -> None:
        saga = start(nothing_to_do())

        assert leases.claim(saga.pk, owner="a")
        assert not leases.claim(saga.pk, owner="b")
        assert leases.claim_next(owner="b") is None

        saga.refresh_from_db()
        assert (saga.lease_owner, saga.epoch, saga.recoveries) == ("a", 1, 0)

    def test_a_lapsed_lease_is_taken_over_and_counted_as_a_recovery(self) -> None:
        saga = start(nothing_to_do())
        leases.claim(saga.pk, owner="a")
        make_due(saga)

        assert leases.claim_next(owner="b") == saga.pk

        saga.refresh_from_db()
        assert (saga.lease_owner, saga.epoch, saga.recoveries) == ("b", 2, 1)

    def test_what_is_not_due_is_nobodys(self) -> None:
        saga = start(nothing_to_do())
        SagaExecution.objects.update(next_run_at=Now() + timedelta(minutes=1))

        assert not leases.claim(saga.pk, owner="a")

        assert SagaExecution.objects.get().epoch == 0

    def test_a_lease_that_was_let_go_is_no_recovery(self) -> None:
        saga = start(nothing_to_do())
        run = claimed(saga)
        engine.commit(run, run.write_released)

        assert leases.claim(saga.pk, owner="b")

        saga.refresh_from_db()
        assert saga.recoveries == 0

    def test_a_leased_saga_is_due_when_its_lease_lapses_without_any_other_mark(self) -> None:
        saga = start(nothing_to_do())
        leases.claim(saga.pk, owner="a")

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert row.lease_until == row.next_run_at
        assert row.lease_until is not None
        assert row.lease_until > row.now

    @pytest.mark.parametrize(
        "state", ["completed", "compensated", "resolved", "needs_attention", "failed_compensation"]
    )
    def test_what_is_not_active_is_claimed_by_nobody(self, state: str) -> None:
        saga = start(nothing_to_do(), state=state)

        assert not leases.claim(saga.pk, owner="a")
        assert leases.claim_next(owner="a") is None

    def test_a_paused_saga_is_claimed_by_nobody(self) -> None:
        saga = start(nothing_to_do(), is_paused=True)

        assert not leases.claim(saga.pk, owner="a")
        assert leases.claim_next(owner="a") is None

    def test_the_one_that_has_been_due_longest_comes_first(self) -> None:
        saga = nothing_to_do()
        later, sooner = start(saga), start(saga)
        make_due(sooner)

        assert [leases.claim_next(owner="a"), leases.claim_next(owner="a")] == [sooner.pk, later.pk]

    @pytest.mark.parametrize("claim", ["by name", "as the next one"])
    def test_a_version_this_worker_does_not_have_is_left_to_those_who_do(self, claim: str) -> None:
        saga = start(nothing_to_do(), version=2)

        had = engine.advance(saga.pk, owner="a") if claim == "by name" else engine.advance_next(owner="a")

        saga.refresh_from_db()
        assert (had, saga.lease_owner, saga.epoch) == (False, "", 0)


@pytest.mark.django_db
class TestTheFence:
    def test_a_stale_workers_write_is_refused_and_leaves_nothing(self) -> None:
        saga = start(define(Scripted()))
        stale = claimed(saga, owner="a")
        make_due(saga)
        leases.claim(saga.pk, owner="b")
        before = SagaExecution.objects.values().get(pk=saga.pk)

        with pytest.raises(LeaseLostError):
            engine.commit(stale, lambda: stale.write())

        assert SagaExecution.objects.values().get(pk=saga.pk) == before

    def test_a_lease_that_lapsed_unnoticed_is_renewed_by_its_owner(self) -> None:
        saga = start(nothing_to_do())
        run = claimed(saga)
        make_due(saga)

        engine.commit(run, run.write)

        assert leases.claim_next(owner="b") is None

    def test_a_saga_paused_under_a_worker_is_written_no_more(self) -> None:
        saga = start(nothing_to_do())
        run = claimed(saga)
        SagaExecution.objects.filter(pk=saga.pk).update(is_paused=True)

        with pytest.raises(LeaseLostError):
            engine.commit(run, run.write)

    def test_what_a_stale_worker_did_locally_is_rolled_back(self) -> None:
        saga = start(define(Scripted()))
        stale = claimed(saga, owner="a")
        make_due(saga)
        leases.claim(saga.pk, owner="b")

        engine.drive(stale)

        assert not SagaStep.objects.filter(saga=saga).exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_each_saga_goes_to_one() -> None:
    definition = nothing_to_do()
    sagas = {start(definition).pk for _ in range(THREADS)}
    barrier = Barrier(THREADS)

    def work(number: int) -> list[object]:
        barrier.wait()
        try:
            return [leases.claim_next(owner=f"worker-{number}") for _ in range(2)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        had = [saga for found in pool.map(work, range(THREADS)) for saga in found if saga is not None]

    assert sorted(map(str, had)) == sorted(map(str, sagas))
