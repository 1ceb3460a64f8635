"""Amounts and times, one by one."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from reconciliation.reports import amounts, times

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12", "USD", 1200),
        ("38.1", "EUR", 3810),
        (".11", "EUR", 11),
        ("-.5", "EUR", -50),
        ("+3.", "EUR", None),
        ("5000.00", "JPY", 5000),
        ("5000.5", "JPY", None),
        ("1.234", "BHD", 1234),
        ("1.2345", "BHD", None),
        ("0012.30", "USD", 1230),
        ("92233720368547758.07", "USD", 2**63 - 1),
        ("92233720368547758.08", "USD", None),
        *((text, "USD", None) for text in ("", ".", "-", "1e3", "1 000", "1,000.00", "$5", "٣", "1.2.3", "(5)", "NaN")),
    ],
)
def test_major_units_are_read_exactly_or_not_at_all(text: str, currency: str, minor: int | None) -> None:
    if minor is None:
        with pytest.raises(ValueError, match="is"):
            amounts.from_major(text, currency)
    else:
        assert amounts.from_major(text, currency) == minor


@pytest.mark.parametrize("text", ["12,34.50", "1,23", ",123", "1,2345", "1234,567"])
def test_thousands_are_separated_in_threes(text: str) -> None:
    with pytest.raises(ValueError, match="between thousands"):
        amounts.from_major(text, "USD", grouping=",")


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1_000", "٣", "9" * 20, "9" * 21])
def test_minor_units_are_digits_and_can_be_kept(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        amounts.from_minor(text)


def test_currencies_come_in_both_cases_and_have_to_exist() -> None:
    assert amounts.currency_code("usd") == "USD"
    with pytest.raises(ValueError, match="not a currency"):
        amounts.currency_code("ZZZ")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-31 10:00:00", UTC, (31, 10, 0, 0)),
        ("2026-01-31 10:00", UTC, (31, 10, 0, 0)),
        ("2026-01-31T10:00:00.1234567Z", None, (31, 10, 0, 123456)),
        ("2026/01/31 02:00:01 -0800", None, (31, 10, 1, 0)),
        ("2026-01-31 10:00:00+05:30", BERLIN, (31, 4, 0, 0)),
        ("2026-01-31 11:00:00", BERLIN, (31, 10, 0, 0)),
    ],
)
def test_times_are_moments_in_utc(text: str, zone: tzinfo | None, expected: tuple[int, int, int, int]) -> None:
    day, hour, second, microsecond = expected
    minute = 30 if "05:30" in text else 0

    assert times.moment(text, zone) == datetime(2026, 1, day, hour, minute, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "not a time like"),
        ("2026-01-31", "not a time like"),
        ("2026-02-30 10:00:00", "of the calendar"),
        ("2026-01-31 25:00:00", "of the calendar"),
        ("2026-01-31 10:00:00 +9900", "not an offset"),
        ("2026-03-29 02:30:00", "does not exist"),
        ("2026-10-25 02:30:00", "happens twice"),
    ],
)
def test_a_time_that_is_not_one_moment_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        times.moment(text, BERLIN)


def test_a_local_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody has said"):
        times.moment("2026-01-31 10:00:00", None)


def test_a_day_alone_is_its_beginning_where_that_is_enough() -> None:
    assert times.moment("2026-01-31", BERLIN, is_date_enough=True) == datetime(2026, 1, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "PST", "Mars/Olympus", "../etc/passwd"])
def test_a_zone_has_its_name_in_the_database_of_time_zones(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        times.zone_named(name)
