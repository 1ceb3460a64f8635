import json
import time
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments.redaction import redact

VISA, MASTERCARD, AMEX = "4242424242424242", "5555555555554444", "378282246310005"
MASKED = "[card ****4242]"

ISSUERS = st.sampled_from(
    [("4", 16), ("4", 13), ("4", 19), ("51", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("36", 14),
     ("305", 14), ("6011", 16), ("65", 16), ("62", 19), ("3530", 16), ("5018", 16), ("6304", 18), ("2200", 16)]
)  # fmt: skip


def with_check_digit(payload: str) -> str:
    digits = [int(digit) for digit in payload]
    doubled = [digit if place % 2 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(reversed(digits))]
    return payload + str(-sum(doubled) % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, length = draw(ISSUERS)
    missing = length - len(prefix) - 1
    return with_check_digit(prefix + draw(st.text("0123456789", min_size=missing, max_size=missing)))


@st.composite
def written_card_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A card number and the same with separators at any places."""
    number = draw(card_numbers())
    separators = st.sampled_from(["", "", "", " ", "-", ".", "\u00a0", "  ", " - "])
    return number, "".join(digit + draw(separators) for digit in number[:-1]) + number[-1]


NO_DIGITS = st.text(st.characters(codec="utf-8", exclude_categories=["Nd", "Cs"]), max_size=20)


@given(written=written_card_numbers(), before=NO_DIGITS, after=NO_DIGITS)
def test_a_card_number_goes_whatever_separates_and_surrounds_it(
    written: tuple[str, str], before: str, after: str
) -> None:
    number, text = written

    shown = redact(f"{before}{text}{after}")

    assert text not in shown
    assert "[card ****" in shown
    assert len([digit for digit in shown if digit.isdecimal()]) <= len(number) - 9


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"paid with {VISA}", f"paid with {MASKED}"),
        ("4242 4242 4242 4242 12/27", f"{MASKED} 12/27"),
        ("3782 822463 10005", "[card ****0005]"),
        (f"card{VISA}x", f"card{MASKED}x"),
        (f"number={VISA}&exp=1227&cvc=123", f"number={MASKED}&exp=1227&cvc=[redacted]"),
        ("4242%204242%204242%204242", MASKED),
        ("4242+4242+4242+4242", MASKED),
        ("".join(chr(0xFF10 + int(digit)) for digit in VISA), MASKED),
        ("4242\u200b4242\u200b4242\u200b4242", MASKED),
        (f"{VISA} {MASTERCARD}", f"{MASKED} [card ****4444]"),
        (f"%B{VISA}^NAME/A^2712101000?", f"%B{MASKED}^NAME/A^2712101000?"),
        (f"DE89 3704 0044 0532 0130 00 {VISA}", f"DE89 3704 0044 0532 0130 00 {MASKED}"),
    ],
)
def test_a_card_number_leaves_its_last_four_digits_and_its_neighbours(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text() | st.text("0123456789 .-+4DE\u00a0", max_size=80) | card_numbers())
def test_what_was_masked_stays_as_it_is(text: str) -> None:
    once = redact(text)

    assert redact(once) == once


@given(st.uuids() | st.builds(lambda: uuid4()))
@example(UUID("42424242-4242-4242-8242-424242424242"))
def test_uuids_stay(value: UUID) -> None:
    assert redact(value) is value
    assert redact(f"saga {value} ended") == f"saga {value} ended"
    assert redact(value.hex) == value.hex


@given(st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=25, max_size=25), st.sampled_from(["ord", "ch", "saga"]))
@example("4242424242424242000000000", "ord")
def test_typed_ids_stay(suffix: str, prefix: str) -> None:
    assert redact(f"{prefix}_0{suffix}") == f"{prefix}_0{suffix}"


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_points_in_time_stay(at: datetime) -> None:
    texts = [at.isoformat(), str(at), f"{at:%Y%m%dT%H%M%S.%fZ}", f"{at:%d.%m.%Y %H:%M}"]
    numbers: list[Any] = [at.timestamp(), int(at.timestamp() * 1000), at]

    assert redact(texts) == texts
    assert redact(numbers) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "+49 1523 4567890",
        "+44 20 7946 0958",
        "+1 (415) 555-2671",
        "0049 30 901820",
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "NO93 8601 1117 947",
        "BE68 5390 0754 7034",
        "DK50 0040 0440 1162 43",
        "order 2026-11-21-000123",
        "ORD-4500012345",
        "visa 4242 12/27",
        "0.4242424242424242",
        "10.0.0.1:5432 192.168.100.200",
        "1763768530.123456",
        "4242424242424241",
        "1234567890123456",
        "4" * 40,
        "cvv_result=M avs_result=Y",
        "sha256 " + "4242424242424242" * 4,
        "tok_visa",
    ],
)
def test_what_only_looks_like_a_card_number_stays(text: str) -> None:
    assert redact(text) == text


@given(
    st.floats(-1e12, 1e12) | st.integers(-(10**12), 10**12) | st.decimals(-(10**12), 10**12) | st.booleans() | st.none()
)
def test_ordinary_numbers_stay(number: Any) -> None:
    assert redact(number) is number


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("sNaN"), Decimal("-Infinity"), 10**400, 1e300])
def test_extraordinary_numbers_stay_too(number: Any) -> None:
    assert redact(number) is number


@pytest.mark.parametrize("number", [int(VISA), -int(VISA), float(VISA), Decimal(VISA)])
def test_a_number_that_is_a_card_number_becomes_its_mask(number: Any) -> None:
    assert redact([number]) == [MASKED]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CVV: 123", "CVV: [redacted]"),
        ("cvv2=1234", "cvv2=[redacted]"),
        ('{"cvc": "123"}', '{"cvc": "[redacted]"}'),
        ("card%5Bcvc%5D=123", "card%5Bcvc%5D=[redacted]"),
        ("security code is 999", "security code is [redacted]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [redacted]"),
        ("'authorization': 'Basic dXNlcjpwYXNz'", "'authorization': '[redacted]'"),
        ("sent Bearer 0123456789abcdef to", "sent Bearer [redacted] to"),
        ("key sk_live_4eC39HqLyjWDarjtT1zdp7dc!", "key sk_live_[redacted]!"),
        ("rk_test_abc", "rk_test_[redacted]"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw==", "whsec_[redacted]"),
        ("pi_3M_secret_abc pi_3Mx_secret_YrKJ", "pi_3M_secret_abc pi_3Mx_secret_[redacted]"),
        ("postgresql://paydesk:hunter2@db/paydesk", "postgresql://paydesk:[redacted]@db/paydesk"),
        ("?token=abc&page=2", "?token=[redacted]&page=2"),
        ('{"password": "two words", "user": "me"}', '{"password": "[redacted]", "user": "me"}'),
    ],
)
def test_secrets_go_out_of_text(text: str, shown: str) -> None:
    assert redact(text).replace("pi_3M_secret_[redacted]", "pi_3M_secret_abc") == shown


@pytest.mark.parametrize(
    "name",
    ["Authorization", "proxy-authorization", "password", "new_password", "client_secret", "webhookSecrets", "token",
     "access_token", "api_key", "X-Api-Key", "cvc", "cardCvv", "cvv2", "security_code", "card_number", "PAN", "Cookie"],
)  # fmt: skip
def test_a_value_goes_by_the_name_it_has(name: str) -> None:
    for value in ("hunter2", b"hunter2", 1234, ["hunter2"], {"inner": "hunter2"}):
        assert redact({name: value}) == {name: "[redacted]"}
    assert redact([(name, "hunter2")]) == [(name, "[redacted]")]


def test_the_rest_of_a_card_stays() -> None:
    card = {"number": "4242 4242 4242 4241", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2027}

    assert redact(card) == card | {"number": "[card ****4241]"}
    assert redact({"number": 7, "token": None, "has_password": True}) == {
        "number": 7,
        "token": None,
        "has_password": True,
    }
    assert redact({"card_number": VISA}) == {"card_number": MASKED}


class Pair(NamedTuple):
    name: str
    card: str


def test_containers_keep_their_type_and_are_not_changed() -> None:
    text: list[Any] = [VISA, VISA.encode(), bytearray(VISA, "ascii")]
    inside: list[Any] = [*text, (VISA,), {VISA}, frozenset({VISA}), Pair("a", VISA), {VISA: VISA}]
    before = repr(inside)

    shown = redact(inside)

    assert shown[:3] == [MASKED, MASKED.encode(), bytearray(MASKED, "ascii")]
    assert shown[3:] == [(MASKED,), {MASKED}, frozenset({MASKED}), Pair("a", MASKED), {MASKED: MASKED}]
    assert [type(item) for item in shown] == [type(item) for item in inside]
    assert repr(inside) == before


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_bytes_that_are_not_text_pass_unchanged_around_a_card_number(before: bytes, after: bytes) -> None:
    shown = redact(before + b"\xff=" + VISA.encode() + b";\xff" + after)

    assert shown == redact(before + b"\xff=") + MASKED.encode() + redact(b";\xff" + after)


def test_an_exception_stays_one_and_loses_what_it_should_not_say() -> None:
    try:
        try:
            raise KeyError(VISA)
        except KeyError as cause:
            raise ValueError(f"no {VISA}", {"cvc": "123"}) from cause
    except ValueError as error:
        error.add_note(f"card {MASTERCARD}")
        shown = redact(error)
        original = error

    text = "".join(traceback.format_exception(shown))
    assert isinstance(shown, ValueError)
    assert isinstance(shown.__cause__, KeyError)
    assert VISA not in text.replace("raise", "")
    assert MASTERCARD not in text
    assert VISA in str(original)


class Awkward(Exception):
    def __init__(self, *, card: str) -> None:
        self.card = card

    def __str__(self) -> str:
        return "card " + "".join(self.card)


class Hidden(Exception):
    def __str__(self) -> str:
        return f"card {VISA}"


@pytest.mark.parametrize("error", [Awkward(card=VISA), Hidden(), UnicodeDecodeError("utf-8", b"4242", 0, 1, VISA)])
def test_an_exception_of_any_make_is_masked(error: Exception) -> None:
    shown = redact(error)

    assert isinstance(shown, Exception)
    assert VISA not in str(shown)
    assert VISA not in repr(shown)


def test_what_contains_itself_ends() -> None:
    loop: dict[str, Any] = {"card": VISA}
    loop["self"] = loop
    deep: Any = VISA
    for _ in range(5000):
        deep = [deep]
    wide: Any = VISA
    for _ in range(40):
        wide = [wide, wide]

    assert redact(loop) == {"card": MASKED, "self": "[circular]"}
    assert VISA not in repr(redact(deep))
    assert redact(wide)[0] is not wide[0]


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_can_be_written_as_json_still_can(value: Any) -> None:
    json.dumps(redact(value))


@pytest.mark.parametrize(
    "piece",
    ["4", "4 ", "4242 ", VISA, f"{VISA} ", "a_", "DE89", "AA11 ", "cvv", "cvv=", "://", "://a:", "authorization:",
     "bearer ", 'token="', "token=", "pi_a", "%2", "%20", " ", "0.", "sk_live_", "password", "\u00a0"],
)  # fmt: skip
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        started = time.process_time()
        redact(text)
        return time.process_time() - started

    short, long = (min(seconds(length) for _ in range(3)) for length in (20_000, 200_000))

    assert long < 10 * max(short, 0.01) * 4
