"""One shape for every log line, whoever writes it, and no secret in any of them.

structlog's own lines and those of the standard library (Django, Celery, gunicorn, urllib3, warnings) end in one
formatter that redacts last, tracebacks included. Records are redacted when they are made too, so that a handler
somebody adds later with a formatter of its own has nothing to leak.
"""

import logging
import logging.config
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from payments.redaction import redact

_QUIET = ("django.server", "gunicorn.access")
"""Their lines hold query strings; `request_finished` takes their place."""


class RedactedRecord(logging.LogRecord):
    """A record whose message, arguments and traceback are masked before any handler sees them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.msg, dict):
            self.msg = redact(self.msg)
        else:
            self.msg, self.args = self._message(), None
        if self.exc_info and self.exc_info[0]:
            self.exc_text = redact("".join(traceback.format_exception(*self.exc_info)).rstrip("\n"))

    def _message(self) -> str:
        try:
            return redact(self.getMessage())
        except Exception as error:  # a line with a wrong format must not cost the request
            return redact(f"{self.msg!s} {self.args!r} ({type(error).__name__})")


def logging_settings(log_format: str, level: str) -> dict[str, Any]:
    """The argument of `logging.config.dictConfig`; `log_format` is `console` or `json`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": structured_formatter, "log_format": log_format}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **{name: {"handlers": [], "level": "NOTSET", "propagate": True} for name in ("django", "gunicorn.error")},
            "stripe": {"level": "WARNING"},  # every call is kept with its saga
            "django.request": {"level": "ERROR"},  # `request_finished` has the rest
            **{name: {"handlers": [], "level": "CRITICAL", "propagate": False} for name in _QUIET},
        },
    }


def structured_formatter(log_format: str) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            _renderer(log_format),
            _redact_line,
        ],
    )


def configure(settings: Mapping[str, Any]) -> None:
    """Set up the standard library and structlog; Django calls it with `LOGGING`."""
    logging.setLogRecordFactory(RedactedRecord)
    logging.config.dictConfig(dict(settings))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return redact(event)


def _redact_line(_logger: WrappedLogger, _method: str, line: Any) -> Any:
    """Objects become text while they are rendered: only now can everything in them be seen."""
    return redact(line)
