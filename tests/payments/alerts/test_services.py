from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, transaction

from orders.errors import InvalidTransition
from payments.alerts import services
from payments.alerts.watchers import MOST, Finding
from payments.models import Alert
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import KIND, fresh, make_alert, pass_time

THREADS = 4


def open_subjects() -> set[str]:
    return set(Alert.objects.lasting().values_list("subject", flat=True))


def observe(*subjects: str, summary: str = "So it is.") -> None:
    services.observe(KIND, [Finding(subject, summary) for subject in subjects])


@pytest.mark.django_db
class TestObserving:
    def test_what_is_new_is_opened_and_what_lasts_is_the_same_alert(self) -> None:
        order = make_order()
        services.observe(KIND, [Finding("saga_1", "So it is.", order.pk)])
        pass_time(minutes=1)
        before = Alert.objects.get()
        observe("saga_1", "saga_2")

        alert = Alert.objects.get(subject="saga_1")
        assert (alert.pk, alert.order, open_subjects()) == (before.pk, order, {"saga_1", "saga_2"})
        assert alert.last_seen_at > before.last_seen_at
        assert alert.opened_at == before.opened_at

    def test_what_is_told_of_it_may_change(self) -> None:
        observe("saga_1")

        observe("saga_1", summary="Now it is so.")

        assert Alert.objects.get().summary == "Now it is so."

    def test_what_is_gone_for_two_minutes_is_over(self) -> None:
        observe("saga_1", "saga_2")
        pass_time(seconds=119)
        observe("saga_1")
        assert open_subjects() == {"saga_1", "saga_2"}

        pass_time(seconds=30)
        observe("saga_1")

        assert open_subjects() == {"saga_1"}
        assert Alert.objects.get(subject="saga_2").closed_at is not None

    def test_what_comes_back_later_is_an_alert_of_its_own(self) -> None:
        observe("saga_1")
        pass_time(minutes=3)
        observe()

        observe("saga_1")

        assert Alert.objects.filter(subject="saga_1").count() == 2

    def test_another_kind_is_left_alone(self) -> None:
        other = make_alert("saga_1", kind="another")
        pass_time(minutes=3)

        observe()

        assert fresh(other).closed_at is None

    def test_a_list_that_was_cut_off_closes_nothing(self) -> None:
        observe("saga_beyond")
        pass_time(minutes=3)

        observe(*(f"saga_{number}" for number in range(MOST)))

        assert "saga_beyond" in open_subjects()

    def test_looking_again_at_much_that_lasts_takes_no_more_queries(self, django_assert_num_queries: object) -> None:
        many = [f"saga_{number}" for number in range(50)]
        observe(*many)
        pass_time(seconds=20)

        with django_assert_num_queries(3):  # type: ignore[operator]
            observe(*many)


@pytest.mark.django_db
class TestRaising:
    def test_the_same_thing_twice_is_one_alert(self) -> None:
        order = make_order()
        first = services.raise_alert(KIND, "run_1", "One charge is missing.", order_id=order.pk)

        again = services.raise_alert(KIND, "run_1", "Two charges are missing.")

        assert (again.pk, again.summary, again.order_id) == (first.pk, "Two charges are missing.", order.pk)

    def test_it_lasts_until_it_is_cleared_however_long_nobody_raises_it(self) -> None:
        alert = make_alert("run_1")
        pass_time(days=3)
        services.observe("another", [])
        assert fresh(alert).closed_at is None

        assert services.clear_alert(KIND, "run_1")

        assert fresh(alert).closed_at is not None
        assert not services.clear_alert(KIND, "run_1")

    def test_whoever_comes_second_to_end_it_tells_nobody(self) -> None:
        alert = make_alert("run_1")
        lasting = Alert.objects.lasting()

        ended = [services._close(alert, lasting), services._close(alert, lasting)]

        assert ended == [True, False]

    def test_the_database_holds_one_open_alert_of_a_kind_and_subject(self) -> None:
        make_alert("run_1")

        with pytest.raises(IntegrityError), transaction.atomic():
            Alert.objects.create(kind=KIND, subject="run_1", summary="Twice.")


@pytest.mark.django_db
class TestPeople:
    def test_who_acknowledges_is_kept_with_a_note_and_in_the_log(self) -> None:
        alert, user = make_alert(), make_client()

        services.acknowledge(alert, by=user, note="I am on it.")

        alert = fresh(alert)
        assert (alert.acknowledged_by, alert.note, alert.acknowledged_at is not None) == (user, "I am on it.", True)
        assert LogEntry.objects.get(user=user).get_change_message() == "Acknowledged: I am on it."

    def test_who_snoozes_is_kept_with_the_end(self) -> None:
        alert, user = make_alert(), make_client()

        services.snooze(alert, by=user, hours=4)

        alert = fresh(alert)
        assert alert.snoozed_by == user
        assert alert.snoozed_until is not None
        assert 3.9 < (alert.snoozed_until - alert.opened_at).total_seconds() / 3600 < 4.1
        assert LogEntry.objects.get(user=user).get_change_message() == "Snoozed for 4 h"

    def test_the_first_to_acknowledge_has_it(self) -> None:
        alert, first, second = make_alert(), make_client(), make_client()
        services.acknowledge(alert, by=first, note="")

        with pytest.raises(InvalidTransition, match=f"acknowledged already by {first}"):
            services.acknowledge(alert, by=second, note="Me too.")
        with pytest.raises(InvalidTransition, match=f"acknowledged already by {first}"):
            services.snooze(alert, by=second, hours=1)

        assert (fresh(alert).acknowledged_by, LogEntry.objects.count()) == (first, 1)

    def test_what_is_over_is_over(self) -> None:
        alert, user = make_alert(), make_client()
        services.clear_alert(KIND, "")

        with pytest.raises(InvalidTransition, match="over"):
            services.acknowledge(alert, by=user, note="")
        with pytest.raises(InvalidTransition, match="over"):
            services.snooze(alert, by=user, hours=1)

        assert not LogEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_find_the_same_one_opens_it() -> None:
    barrier = Barrier(THREADS)

    def work(number: int) -> None:
        barrier.wait()
        try:
            observe("saga_1", "saga_2")
            services.raise_alert(KIND, "run_1", f"Found by {number}.")
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))

    assert (Alert.objects.count(), open_subjects()) == (3, {"saga_1", "saga_2", "run_1"})
