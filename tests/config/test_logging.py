import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog
from django.conf import settings

from config.logging import RedactedRecord, structured_formatter

CARD = "4242424242424242"


class Lines(io.StringIO):
    """What a handler wrote."""

    @property
    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.getvalue().splitlines()[-1])
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The JSON lines of a handler on the root logger."""
    yield from attached(structured_formatter("json"))


@pytest.fixture
def plain() -> Iterator[Lines]:
    """The lines of a handler that somebody added without our formatter."""
    yield from attached(logging.Formatter("%(levelname)s %(message)s"))


def attached(formatter: logging.Formatter) -> Iterator[Lines]:
    stream = Lines()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def fail_with_card() -> None:
    try:
        raise KeyError(CARD)
    except KeyError as error:
        raise ValueError(f"no such card {CARD}") from error


def test_our_own_lines_carry_facts_time_and_context(lines: Lines) -> None:
    structlog.contextvars.clear_contextvars()
    with structlog.contextvars.bound_contextvars(saga="saga_1", order="ord_1"):
        structlog.get_logger("payments.sagas").info("saga_claimed", epoch=3)

    line = lines.last
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert (line.pop("level"), line.pop("logger")) == ("info", "payments.sagas")
    assert line == {"event": "saga_claimed", "epoch": 3, "saga": "saga_1", "order": "ord_1"}


def test_lines_of_libraries_have_the_same_shape(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        logging.getLogger("urllib3.connectionpool").warning("Retrying %s", "/charges", extra={"attempt": 2})

    line = lines.last
    assert (line["event"], line["level"], line["logger"]) == ("Retrying /charges", "warning", "urllib3.connectionpool")
    assert (line["request_id"], line["attempt"]) == ("abc", 2)


def test_warnings_become_lines() -> None:
    code = "import django, warnings; django.setup(); warnings.warn('old ways of 4242424242424242')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"LOG_FORMAT": "json"}, cwd=settings.BASE_DIR,
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    line = json.loads(done.stderr.splitlines()[-1])
    assert line["logger"] == "py.warnings"
    assert "old ways of [card ****4242]" in line["event"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_card_number_is_masked_wherever_it_stands_on_a_line(form: str) -> None:
    stream = attached(structured_formatter(form))
    lines = next(stream)

    class Charge:
        def __repr__(self) -> str:
            return f"<Charge {CARD}>"

    structlog.get_logger("a").warning(f"paid with {CARD}", card=CARD, nested=[{"number": CARD}], made=Charge())
    logging.getLogger("b").warning("paid with %s", CARD, extra={"card": CARD, "made": Charge()})
    logging.getLogger("c").warning("%(card)s", {"card": CARD})
    next(stream, None)

    text = lines.getvalue()
    assert CARD not in text
    assert text.count("[card ****4242]") >= 8


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_card_number_is_masked_in_a_traceback(form: str) -> None:
    stream = attached(structured_formatter(form))
    lines = next(stream)

    try:
        fail_with_card()
    except ValueError:
        logging.getLogger("a").exception("failed")
        structlog.get_logger("b").exception("failed_too")
    next(stream, None)

    text = lines.getvalue()
    assert text.count("Traceback") >= 2
    assert "ValueError: no such card [card ****4242]" in text
    assert CARD not in text


def test_a_handler_with_another_formatter_has_nothing_to_leak(plain: Lines) -> None:
    try:
        fail_with_card()
    except ValueError:
        logging.getLogger("a").exception("failed with %s", CARD)
    structlog.get_logger("b").warning("failed_too", card=CARD)

    text = plain.getvalue()
    assert "failed with [card ****4242]" in text
    assert "ValueError: no such card [card ****4242]" in text
    assert CARD not in text


def test_a_line_whose_format_is_wrong_is_still_a_line(plain: Lines) -> None:
    logging.getLogger("a").warning("%d items", "many", "too many")

    assert "%d items" in plain.getvalue()


def test_every_record_of_the_process_is_one_of_ours() -> None:
    assert logging.getLogRecordFactory() is RedactedRecord
