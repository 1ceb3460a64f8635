import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from config.supervisor import start
from payments.models import SagaExecution
from payments.sagas.worker import Worker
from tests.orders.builders import make_client, make_order
from tests.payments.builders import begin_checkout
from tests.payments.sandbox.shop import wait_until
from tests.sandbox import ROOT, Sandbox


class Jobs:
    """What the periodic jobs below have done."""

    done: ClassVar[list[str]] = []


def failing_job() -> None:
    Jobs.done.append("failing")
    raise RuntimeError("this job is broken")


def working_job() -> None:
    Jobs.done.append("working")


@pytest.fixture(autouse=True)
def no_job_has_run() -> None:
    Jobs.done.clear()


@contextmanager
def working(*jobs: Callable[[], None], inbox: Callable[[], bool] = lambda: False) -> Iterator[Worker]:
    paths = [f"{__name__}.{job.__name__}" for job in jobs]
    worker = Worker(threads=2, poll=0.02, inbox=inbox, jobs=paths, job_interval=0.05)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def states() -> set[str]:
    return set(SagaExecution.objects.values_list("state", flat=True))


@pytest.mark.django_db(transaction=True)
def test_whatever_is_due_is_carried_on_by_several_threads(sandbox: Sandbox) -> None:
    client = make_client()
    for _ in range(4):
        begin_checkout(make_order(client))

    with working():
        wait_until(lambda: states() == {"completed"}, seconds=20)

    assert len(sandbox.effective("capture")) >= 4
    assert not SagaExecution.objects.exclude(lease_owner="").exists()


@pytest.mark.django_db(transaction=True)
def test_an_inbox_that_fails_keeps_no_saga_waiting(sandbox: Sandbox) -> None:
    def broken() -> bool:
        raise RuntimeError("this event breaks whoever reads it")

    begin_checkout(make_order())

    with working(inbox=broken):
        wait_until(lambda: states() == {"completed"}, seconds=8)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_fails_is_in_nobodys_way() -> None:
    with working(failing_job, working_job):
        wait_until(lambda: Jobs.done.count("working") >= 2)

    assert Jobs.done[:4] == ["failing", "working"] * 2


def test_a_job_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ImportError):
        Worker(threads=1, poll=1, inbox=lambda: False, jobs=["payments.no_such.job"], job_interval=1)


def test_an_owners_name_fits_its_column_whatever_the_machine_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "m" * 64)

    worker = Worker(threads=1, poll=1, inbox=lambda: False, jobs=[], job_interval=1)

    SagaExecution._meta.get_field("lease_owner").run_validators(worker.owner)


def test_the_worker_process_carries_on_what_is_due_and_ends_on_sigterm(
    process_environment: dict[str, str], sandbox: Sandbox
) -> None:
    saga = begin_checkout(make_order())
    environment = process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url}

    command = [sys.executable, "manage.py", "worker", "--poll", "0.05"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: states() == {"completed"}, seconds=20)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    finally:
        process.kill()

    saga.refresh_from_db()
    assert (process.returncode, saga.lease_owner) == (0, "")
    assert b"worker_stopped" in log


def test_a_ctrl_c_that_a_supervisor_has_ignored_ends_no_worker(
    process_environment: dict[str, str], sandbox: Sandbox
) -> None:
    environment = process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url, "LOG_LEVEL": "ERROR"}
    begin_checkout(make_order())

    process = start([sys.executable, "manage.py", "worker", "--poll", "0.05"], environment)
    try:
        wait_until(lambda: states() == {"completed"}, seconds=20)
        process.send_signal(signal.SIGINT)
        begin_checkout(make_order())

        wait_until(lambda: states() == {"completed"}, seconds=20)
    finally:
        process.kill()
        process.wait()
