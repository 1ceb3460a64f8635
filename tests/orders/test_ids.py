from datetime import UTC, datetime, timedelta

from orders.ids import first_id, made_at, new_id


def test_an_id_tells_the_millisecond_in_which_it_was_made() -> None:
    before = datetime.now(UTC)

    made = made_at(new_id())

    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)


def test_the_first_id_of_a_moment_was_made_at_that_moment() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 987_000, tzinfo=UTC)

    assert made_at(first_id(moment)) == moment
    assert first_id(moment - timedelta(milliseconds=1)) < first_id(moment)
