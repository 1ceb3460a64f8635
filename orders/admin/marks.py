"""The small parts pages are made of: links, badges, amounts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.money import in_words as money_in_words

NOTHING: Final = "–"  # noqa: RUF001  A dash between two figures would mislead; alone it is what people expect.

Tone = Literal["good", "bad", "alarm", "busy", "quiet"]

_GLYPHS: Final[Mapping[Tone, str]] = {"good": "✓", "bad": "✕", "alarm": "!", "busy": "…", "quiet": "·"}


def badge(text: str, tone: Tone) -> SafeString:
    """A state in words; the tone is told by a sign as well as by colour."""
    return format_html(
        '<span class="badge badge-{}"><span class="sign" aria-hidden="true">{}</span>{}</span>',
        tone,
        _GLYPHS[tone],
        in_words(text),
    )


def in_words(name: str) -> str:
    return name.replace("_", " ")


def identifier(text: str) -> SafeString:
    return format_html('<span class="id">{}</span>', text)


def page_url(row: models.Model) -> str:
    """The address of a row's page, with its typed id where it has one."""
    options = row._meta
    name = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(name, args=[getattr(row, "public_id", row.pk)])


def link(row: models.Model | None) -> SafeString | str:
    if row is None:
        return NOTHING
    return format_html('<a class="id" href="{}">{}</a>', page_url(row), row)


def money(amount_minor: int, currency: str) -> str:
    """As people write it."""
    return money_in_words(amount_minor, currency) if currency else NOTHING


def moment(at: datetime | None) -> str:
    """In the reader's time zone and format."""
    return str(localize(timezone.localtime(at))) if at else NOTHING


def address(parts: Mapping[str, object]) -> str:
    return ", ".join(str(part) for part in parts.values() if part) or NOTHING
