"""Celery workers, the sweep beside them, and what becomes of their sagas when they end."""

import os
import signal
import subprocess
import sys

from payments.models import SagaExecution
from tests.celery.shop import Shop
from tests.payments.builders import end_sending, make_due
from tests.processes import children, free_port, is_running, wait_until
from tests.sandbox import ROOT
from tests.services import Service

SWEEP = "manage.py worker"
BROKEN_SWEEP = """
import sys
from celery.__main__ import main
from config import celery_worker
from config.celery import app

class BrokenSweep(celery_worker.Sweep):
    command = [sys.executable, "-c", "raise SystemExit(3)"]

app.steps["worker"] = {BrokenSweep}
sys.argv = ["celery", "-A", "config.celery", "worker", "--concurrency", "1"]
main()
"""


def sweep_of(worker: "subprocess.Popen[bytes]") -> int:
    """The process id of its sweep; 0 while there is none."""
    return next((pid for pid, command in children(worker.pid).items() if SWEEP in command), 0)


def begin_capture_without_answer(shop: Shop) -> SagaExecution:
    """A checkout that is due; whoever carries it on waits some seconds for an answer to a capture that was made."""
    shop.sandbox.fault("drop_after", operation="capture", times=1)
    return shop.begin()


def pid_of_owner(saga: SagaExecution) -> int:
    """The process that works on the saga."""
    saga.refresh_from_db()
    kind, _, rest = saga.lease_owner.partition(":")
    assert kind == "celery"
    return int(rest.rpartition(":")[2])


def let_the_lease_lapse(saga: SagaExecution) -> None:
    """Tests move rows, not clocks."""
    make_due(saga)
    end_sending(saga)


def test_sagas_that_several_workers_go_for_are_each_done_once(shop: Shop, redis: Service) -> None:
    sagas = [shop.begin() for _ in range(20)]
    shop.nudge(redis.url, *sagas, *reversed(sagas))

    with shop.worker(redis.url), shop.worker(redis.url):
        shop.wait_until_done(*(saga.order for saga in sagas))


def test_what_a_killed_process_of_the_pool_had_in_hand_is_finished_by_another(shop: Shop, redis: Service) -> None:
    saga = begin_capture_without_answer(shop)
    shop.nudge(redis.url, saga)
    with shop.worker(redis.url, sweeps=False):
        wait_until(lambda: "capture" in shop.effective(saga.order))

        os.kill(pid_of_owner(saga), signal.SIGKILL)
        let_the_lease_lapse(saga)
        shop.nudge(redis.url, saga)

        shop.wait_until_done(saga.order)


def test_a_killed_worker_takes_its_sweep_along_and_another_finishes_what_it_had_in_hand(
    shop: Shop, redis: Service
) -> None:
    saga = begin_capture_without_answer(shop)
    shop.nudge(redis.url, saga)
    with shop.worker(redis.url, sweeps=False, lives=False) as worker:
        wait_until(lambda: "capture" in shop.effective(saga.order))
        family = [worker.pid, *children(worker.pid)]

        for pid in family:
            os.kill(pid, signal.SIGKILL)
    let_the_lease_lapse(saga)

    with shop.worker(redis.url):
        shop.wait_until_done(saga.order)


def test_no_part_of_a_worker_outlives_its_master(shop: Shop, redis: Service) -> None:
    with shop.worker(redis.url, lives=False) as worker:
        wait_until(lambda: sweep_of(worker))
        shop.nudge(redis.url, saga := shop.begin())
        shop.wait_until_done(saga.order)
        family = children(worker.pid)

        worker.kill()

        wait_until(lambda: not any(is_running(pid) for pid in family))


def test_a_worker_that_is_told_to_end_ends_its_sweep_and_leaves_no_lease_behind(shop: Shop) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    saga = begin_capture_without_answer(shop)
    with shop.worker(nowhere, lives=False) as worker:
        wait_until(lambda: "capture" in shop.effective(saga.order))
        family = children(worker.pid)

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(30) == 0
    assert not any(is_running(pid) for pid in family)
    assert not SagaExecution.objects.exclude(lease_owner="").exists()


def test_a_sweep_that_dies_is_started_again(shop: Shop) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    with shop.worker(nowhere) as worker:
        wait_until(lambda: sweep_of(worker))
        first = sweep_of(worker)

        os.kill(first, signal.SIGKILL)

        wait_until(lambda: sweep_of(worker) not in (0, first))


def test_a_worker_whose_sweep_cannot_run_ends(process_environment: dict[str, str]) -> None:
    nowhere = {"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}", "LOG_FORMAT": "json"}

    worker = subprocess.run(
        [sys.executable, "-c", BROKEN_SWEEP],
        env=process_environment | nowhere,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )

    assert worker.returncode == 1
    assert b"the sweep exited with status 3, 3 times in a row" in worker.stderr


def test_a_worker_may_be_without_a_sweep(shop: Shop, redis: Service) -> None:
    with shop.worker(redis.url, sweeps=False) as worker:
        shop.nudge(redis.url, saga := shop.begin())
        shop.wait_until_done(saga.order)

        assert not sweep_of(worker)
