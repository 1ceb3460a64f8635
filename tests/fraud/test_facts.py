import json

import pytest

from fraud.facts import Context, Listing, ListKind, ListName, Stage, normalize
from tests.fraud.builders import make_context


@pytest.mark.parametrize("spelling", ["blocked@example.com", " Blocked@Example.COM ", "BLOCKED@example.com\u200b"])
def test_an_address_is_found_however_it_is_spelled(spelling: str) -> None:
    assert normalize(ListKind.EMAIL, spelling) == "blocked@example.com"


def test_a_tag_makes_another_address() -> None:
    assert normalize(ListKind.EMAIL, "blocked+1@example.com") == "blocked+1@example.com"


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("203.0.113.700", None),
        ("", None),
    ],
)
def test_an_ip_address_has_one_spelling(spelling: str, address: str | None) -> None:
    assert normalize(ListKind.IP, spelling) == address


@pytest.mark.parametrize("value", ["", "  ", None, 5, ["US"], "\x00\ud800"])
def test_what_is_no_text_is_not_known(value: object) -> None:
    assert make_context(billing_country=value).billing_country is None


def test_an_unknown_fact_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        make_context(shoe_size=44)


def test_a_context_comes_back_equal_from_json() -> None:
    context = make_context(
        Stage.AFTER_AUTHORIZATION,
        amount_minor=2_000_00,
        currency="USD",
        email="jo@example.com",
        velocity={"customer_attempts_3600s": 3},
        listed=(Listing(ListName.WATCH, ListKind.EMAIL),),
        prior_score=10,
    )

    assert Context.from_snapshot(json.loads(json.dumps(context.snapshot()))) == context


def test_an_empty_context_comes_back_equal_from_json() -> None:
    context = make_context()

    assert Context.from_snapshot(json.loads(json.dumps(context.snapshot()))) == context
