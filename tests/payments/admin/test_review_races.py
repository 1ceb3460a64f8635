from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from fraud.models import ReviewCase
from tests.fraud.builders import make_case_without_checkout
from tests.office import Office
from tests.payments.admin.desk import WHY, case_of, logged, park
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    barrier = Barrier(2)

    def run(press: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            press()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (first, second)))


def people() -> list[Office]:
    return [Office(groups=("Operator",)), Office(groups=("Fraud analyst",))]


def test_they_get_two_cases(sandbox: Sandbox) -> None:
    cases = [make_case_without_checkout() for _ in range(3)]
    ann, bob = people()

    at_once(*(lambda each=each: each.post("fraud_reviewcase_claim_next") for each in (ann, bob)))

    holders = [ReviewCase.objects.get(pk=case.pk).claimed_by for case in cases]
    taken = [holder for holder in holders if holder]
    assert sorted(taken, key=str) == sorted([ann.user, bob.user], key=str)


def test_they_give_one_verdict(sandbox: Sandbox) -> None:
    saga = park()
    case = case_of(saga)
    ann, bob = people()
    answers: dict[User, str] = {}

    def decide(office: Office, action: str) -> None:
        response = office.post(f"fraud_reviewcase_{action}", case.public_id, reason=WHY)
        answers[office.user] = response.content.decode()

    at_once(lambda: decide(ann, "approve"), lambda: decide(bob, "reject"))

    case.refresh_from_db()
    winner, loser = (ann, bob) if case.outcome == "approved" else (bob, ann)
    assert case.closed_by == winner.user
    assert f"closed already by {winner.user} as {case.outcome}" in answers[loser.user]
    assert [name for name, _ in logged(case)] == [winner.user.username]
