"""Finds secrets in text by the words in front of them and by the prefixes their makers gave them."""

import re
from functools import cache
from typing import Final, NamedTuple

REDACTED: Final = "[redacted]"

_NAME: Final = r"(?:password|passwd|passphrase|secret(?:_key)?|api[_-]?key|token)"
_NAME_SIGNS: Final = ("pass", "secret", "api", "token")


class _Secret(NamedTuple):
    """`pattern` begins with one of `first`, and every text it matches holds one of `signs`, in small letters."""

    signs: tuple[str, ...]
    first: str
    pattern: str


_SECRETS: Final = (
    _Secret(
        ("cvc", "cvv", "cvn", "code"),
        "cs",
        r"""(?P<cvv>  (?:cv[cv]2?|cvn|security[ _-]?code)(?:[ _-]?(?:code|number|value))?
                      (?:[\s"'\\:=>\]]|%5D|%3D|%22|%3A){1,8}(?:is\s)?["']?) [0-9]{3,4}(?![0-9])""",
    ),
    _Secret(
        ("authorization",),
        "a",
        r"""(?P<header> authorization["']?\s{0,4}[:=]\s{0,4}["']?)
                        (?:(?:basic|bearer|digest|token)\s{1,4})?[^\s"',]{1,4096}""",
    ),
    _Secret(("bearer",), "b", r"(?P<bearer> bearer\s{1,4}) [A-Za-z0-9._~+/=-]{12,}"),
    _Secret(
        _NAME_SIGNS,
        "psat",
        rf"""(?P<quoted> {_NAME}\\?["']?\s{{0,4}}[:=]\s{{0,4}}\\?["'])
                         (?:(?<=")[^"\n]{{1,4096}}|(?<=')[^'\n]{{1,4096}})""",
    ),
    _Secret(_NAME_SIGNS, "psat", rf"""(?P<pair> {_NAME}=) [^\s"'&,;)}}\]]{{1,4096}}"""),
    _Secret(("://",), ":", r"(?P<userinfo> ://[^\s/:@]{0,256}:) [^\s/@]{1,256}(?=@)"),
    _Secret(
        ("k_live_", "k_test_", "whsec_"),
        "srw",
        r"(?P<stripe> (?<![A-Za-z0-9])(?:[sr]k_(?:live|test)|whsec)_) [A-Za-z0-9+/=_-]{1,}",
    ),
    _Secret(("_secret_",), "ps", r"(?P<client> (?:pi|seti)_[A-Za-z0-9]{1,64}_secret_) [A-Za-z0-9]{1,}"),
)

_SIGNS: Final = tuple(dict.fromkeys(sign for secret in _SECRETS for sign in secret.signs))


def mask_secrets(text: str) -> str:
    """`text` without verification codes, credentials, passwords in URLs, and Stripe's keys."""
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    present = tuple(secret for secret in _SECRETS if any(sign in folded for sign in secret.signs))
    return _any_of(present).sub(_without_secret, text)


@cache
def _any_of(secrets: tuple[_Secret, ...]) -> re.Pattern[str]:
    """Most places in a text are given up by their first character, and what has no sign in it is not tried at all."""
    first = "".join(secret.first for secret in secrets)
    alternatives = "|".join(secret.pattern for secret in secrets)
    return re.compile(f"(?=[{first}])(?:{alternatives})", re.IGNORECASE | re.VERBOSE)


def _without_secret(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{REDACTED}"
