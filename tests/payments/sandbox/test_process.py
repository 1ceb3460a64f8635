import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from urllib3.exceptions import ProtocolError

from tests.payments.sandbox.shop import Shop, wait_until
from tests.sandbox import ROOT, Sandbox


def test_the_journal_survives_a_kill(own_shop: Shop) -> None:
    key = own_shop.key()
    charge = own_shop.authorize(key=key).json()["charge"]["id"]
    before = own_shop.journal()

    own_shop.sandbox.kill()
    own_shop.sandbox.start()

    assert own_shop.journal() == before
    assert own_shop.authorize(key=key).json()["charge"]["id"] == charge
    assert own_shop.journal()[-1]["sequence"] > before[-1]["sequence"]


def test_what_a_card_has_done_to_an_attempt_survives_a_kill(own_shop: Shop) -> None:
    key = own_shop.key()
    with pytest.raises(ProtocolError, match="reset"):
        own_shop.authorize("tok_flaky_1", key=key)

    own_shop.sandbox.kill()
    own_shop.sandbox.start()

    assert own_shop.authorize("tok_flaky_1", key=key).status == 200


def test_an_appointment_is_kept_after_a_kill(own_shop: Shop) -> None:
    charge = own_shop.captured("tok_dispute")

    own_shop.sandbox.kill()
    time.sleep(1)
    own_shop.sandbox.start()

    wait_until(lambda: own_shop.charge(charge)["disputed"])


def test_calls_that_never_get_an_answer_do_not_hold_up_the_end(own_shop: Shop) -> None:
    own_shop.sandbox.fault("drop_before")
    with own_shop.hanging_up():
        own_shop.authorize()
    host, port = own_shop.sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as held:
        held.sendall(b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")

        started = time.monotonic()
        own_shop.sandbox.stop()

    assert time.monotonic() - started < 2
    own_shop.sandbox.start()


def test_a_port_in_use_is_one_clear_line(own_sandbox: Sandbox, tmp_path: Path) -> None:
    port = own_sandbox.url.rpartition(":")[2]
    command = [sys.executable, "-m", "payments.sandbox", "--port", port, "--journal", str(tmp_path / "other")]

    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)

    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert port in failed.stderr


def test_a_journal_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite3"
    journal.write_text("Dear diary, this is not a database. " * 100)
    command = [sys.executable, "-m", "payments.sandbox", "--port", "0", "--journal", str(journal)]

    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)

    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert str(journal) in failed.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_management_command_serves_without_a_database_and_ends_when_told(
    tmp_path: Path, stop: signal.Signals
) -> None:
    environment = os.environ | {
        "SANDBOX_JOURNAL": str(tmp_path / "deep" / "journal.sqlite3"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'never.sqlite3'}",
    }
    command = [sys.executable, "manage.py", "sandbox_gateway", "--port", "0"]

    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(stop)
        assert process.wait(timeout=10) == 0

    assert line.startswith("sandbox gateway listening on http://127.0.0.1:")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]
    assert (tmp_path / "deep" / "journal.sqlite3").exists()
