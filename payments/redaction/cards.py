"""Finds card numbers in text and leaves what only looks like one: ids, hashes, account and telephone numbers."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

MINIMUM: Final = 13
MAXIMUM: Final = 19
_GROUP: Final = re.compile(r"%20|(\d+)")
_SEPARATOR: Final = r"(?:[ \t._+\-\u00a0\u00ad\u2000-\u2015\u202f\u2060\u2212\ufeff]|%20|&nbsp;){1,3}"
_ENOUGH_DIGITS: Final = re.compile(rf"\d(?:(?:{_SEPARATOR})?\d){{{MINIMUM - 1}}}")
_SCAN: Final = re.compile(
    rf"""
      (?P<id> (?<![0-9A-Za-z])(?:
          [0-9a-fA-F]{{8}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}
        | (?:[0-9a-f]{{32}}|[0-9a-f]{{40}}|[0-9a-f]{{64}}|[0-9a-f]{{128}})
        | [a-z]{{1,63}}_[0-7][0-9a-hjkmnp-tv-z]{{25}}
        )(?![0-9A-Za-z]))
    | (?P<iban> (?<![0-9A-Za-z])[A-Z]{{2}}[0-9]{{2}}(?:[ \u00a0]?[0-9A-Z]){{11,30}})
    | (?P<digits> \d+(?:{_SEPARATOR}\d+)*)
    """,
    re.VERBOSE,
)

_ISSUER: Final = re.compile(
    r"(?P<visa>4)"
    r"|(?P<mastercard>5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)"
    r"|(?P<amex>3[47])"
    r"|(?P<diners>30[0-5]|3095|3[689])"
    r"|(?P<jcb>35(?:2[89]|[3-8]))"
    r"|(?P<maestro>50|5[678]|6[37])"
    r"|(?P<others>6|8[12]|220[0-4]|9792)"  # Discover, UnionPay, RuPay, Mir, Troy
)
_LENGTHS: Final[Mapping[str, frozenset[int]]] = {
    "visa": frozenset({13, 16, 18, 19}),
    "mastercard": frozenset({16}),
    "amex": frozenset({15}),
    "diners": frozenset(range(14, 20)),
    "jcb": frozenset(range(16, 20)),
    "maestro": frozenset(range(13, 20)),
    "others": frozenset(range(16, 20)),
}
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""ISO 13616: how many characters an account number of each country has."""


class _Digits(NamedTuple):
    """The digits of one run and where each group of them begins; the sums make every check digit test one step."""

    text: str
    bounds: list[int]
    sums: tuple[list[int], list[int]]

    def card_from(self, first: int) -> int | None:
        """The group after the shortest card number that begins with group `first`."""
        start = self.bounds[first]
        issuer = _ISSUER.match(self.text, start)
        lengths = _LENGTHS[issuer.lastgroup or ""] if issuer else frozenset()
        for last in range(first + 1, min(first + MAXIMUM + 1, len(self.bounds)) if lengths else 0):
            end = self.bounds[last]
            if end - start > MAXIMUM:
                break
            if end - start in lengths and self._has_check_digit(start, end):
                return last
        return None

    def _has_check_digit(self, start: int, end: int) -> bool:
        sums = self.sums[end % 2]
        return (sums[end] - sums[start]) % 10 == 0


def mask_card_numbers(text: str) -> str:
    """`text` with each card number as `[card ****4242]`."""
    return "".join(_pieces(text)) if _ENOUGH_DIGITS.search(text) else text


def _pieces(text: str) -> Iterator[str]:
    done = 0
    while match := _SCAN.search(text, done):
        yield text[done : match.start()]
        done = match.end()
        if match.lastgroup == "digits":
            yield _masked(match[0])
            continue
        if match.lastgroup == "iban":
            done = match.start() + (_account_length(match[0]) or 2)
        yield text[match.start() : done]
    yield text[done:]


def _masked(run: str) -> str:
    """A phone number stays, unless it could be a card number to the check digit: then a log is the wrong place."""
    spans = [match.span() for match in _GROUP.finditer(run) if match[1]]
    bounds = [0, *accumulate(end - start for start, end in spans)]
    if bounds[-1] < MINIMUM or _is_decimal(run, spans):
        return run
    digits = _digits("".join(run[start:end] for start, end in spans), bounds)
    return "".join(_masked_groups(run, spans, digits))


def _masked_groups(run: str, spans: list[tuple[int, int]], digits: _Digits) -> Iterator[str]:
    done = first = 0
    while first < len(spans):
        last = digits.card_from(first)
        if last is None:
            first += 1
            continue
        end = digits.bounds[last]
        yield f"{run[done : spans[first][0]]}[card ****{digits.text[end - 4 : end]}]"
        done, first = spans[last - 1][1], last
    yield run[done:]


def _digits(run: str, bounds: list[int]) -> _Digits:
    text = run if run.isascii() else "".join(str(unicodedata.decimal(character)) for character in run)
    plain = [int(digit) for digit in text]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in plain]
    even = [doubled[i] if i % 2 == 0 else plain[i] for i in range(len(plain))]
    odd = [doubled[i] if i % 2 else plain[i] for i in range(len(plain))]
    return _Digits(text, bounds, ([0, *accumulate(even)], [0, *accumulate(odd)]))


def _is_decimal(run: str, spans: list[tuple[int, int]]) -> bool:
    """Whether the run is one number with a fraction, such as a float's text."""
    return len(spans) == 2 and run[spans[0][1] : spans[1][0]] == "." and spans[0][1] < MINIMUM - 1


def _account_length(text: str) -> int | None:
    """How much of `text` is an IBAN whose check digits are right (ISO 7064, MOD 97-10)."""
    wanted = _IBAN_LENGTHS.get(text[:2], 0)
    places = [place for place, character in enumerate(text) if character.isalnum()]
    if not wanted or len(places) < wanted:
        return None
    account = "".join(text[place] for place in places[:wanted])
    number = "".join(str(int(character, 36)) for character in account[4:] + account[:4])
    return places[wanted - 1] + 1 if int(number) % 97 == 1 else None
