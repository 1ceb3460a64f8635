"""What the page says about verifying a message is true: its code is run against one that was sent."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from payments.models.client_events import KINDS
from tests.docs.session import ROOT
from tests.orders.builders import make_client
from tests.payments.alerts.builders import receiving
from tests.payments.events.builders import key_of, make_endpoint, make_event, relay

PAGE: Final = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")

Message = tuple[str, dict[str, str], bytes]


def code(language: str, word: str) -> str:
    """The block of the page that has this word in it."""
    [found] = [block for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if word in block]
    return str(found)


@pytest.fixture
def message(db: None) -> Message:
    """The endpoint's secret, and what it was sent."""
    with receiving() as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        make_event(client)
        relay()
    [(headers, body)] = receiver.posts
    return key_of(endpoint), headers, body


def test_the_librarys_three_lines_verify_it(message: Message) -> None:
    secret, headers, body = message
    names: dict[str, Any] = {"secret": secret, "headers": headers, "body": body}

    exec(code("python", "import Webhook"), names)  # noqa: S102  It is this repository's own page.

    assert names["event"]["type"] == "order.cancelled"


def test_the_lines_without_a_library_verify_it_and_nothing_else(message: Message) -> None:
    secret, headers, body = message
    names: dict[str, Any] = {}

    exec(code("python", "def verify"), names)  # noqa: S102  It is this repository's own page.

    verify = names["verify"]
    assert verify(secret, headers, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(secret, headers | {"webhook-timestamp": "1795559773"}, body)
    assert not verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", headers, body)


def program(name: str) -> str:
    """Where it is; required under CI."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not there")
    if found is None:
        pytest.skip(f"{name} is not there")
    return found


def test_the_shell_prints_the_signature(message: Message, tmp_path: Path) -> None:
    bash, _ = program("bash"), program("openssl")
    secret, headers, body = message
    (tmp_path / "body.json").write_bytes(body)
    known = {"WEBHOOK_ID": headers["webhook-id"], "WEBHOOK_TIMESTAMP": headers["webhook-timestamp"], "SECRET": secret}

    ran = subprocess.run(
        [bash, "-c", code("bash", "openssl")],
        cwd=tmp_path,
        env=os.environ | known,
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"v1,{ran.stdout.strip()}" == headers["webhook-signature"]


def test_every_type_is_told_and_no_other() -> None:
    section = PAGE.partition("### What is told")[2].partition("### A message")[0]

    assert sorted(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", section, re.MULTILINE)) == sorted(KINDS)
