"""The rows of the table in `docs/reliability.md`: a test says of itself what it does to Paydesk and what must hold."""

from dataclasses import dataclass
from typing import Final

import pytest

ALL: Final = "every invariant"
BOTH: Final = "both"
POSTGRESQL: Final = "PostgreSQL"


def row(fault: str, *, holds: str = ALL, databases: str = BOTH) -> pytest.MarkDecorator:
    """A row: what is done, what has to hold, and on which databases it makes sense."""
    return pytest.mark.matrix(fault=fault, holds=holds, databases=databases)


@dataclass(frozen=True)
class Elsewhere:
    """A row that a test outside of `tests/crash` proves already."""

    fault: str
    holds: str
    test: str


_SAGAS: Final = "tests/payments/sagas"

ELSEWHERE: Final = (
    Elsewhere(
        "a refund is refused for good while undoing",
        "a person has it, with the money still booked",
        f"{_SAGAS}/test_undoing.py::TestRefusals::test_a_refund_that_is_refused_is_for_a_person",
    ),
    Elsewhere(
        "a void is refused for good while undoing",
        "a person has it, with the authorization still standing",
        f"{_SAGAS}/test_undoing.py::TestRefusals::test_a_void_that_is_refused_is_for_a_person",
    ),
    Elsewhere(
        "two workers claim one saga",
        "the second gets nothing",
        f"{_SAGAS}/test_leases.py::TestOneOwner::test_of_two_workers_the_second_gets_nothing",
    ),
    Elsewhere(
        "a wake-up just while a saga parks",
        "it is due at once",
        f"{_SAGAS}/test_engine.py::TestParking::test_a_saga_woken_between_its_look_and_its_parking_is_due_at_once",
    ),
    Elsewhere(
        "a parcel is called back, and the carrier does not answer",
        "called back once, and then the money goes back",
        f"{_SAGAS}/test_undoing.py::TestUndoing::test_a_parcel_that_left_is_called_back_before_the_money_goes_back",
    ),
    Elsewhere(
        "an outcome stays unknown for a day",
        "a person decides; nothing is sent again or undone before",
        f"{_SAGAS}/test_exchange.py::TestLookingUp::test_what_stays_unknown_for_too_long_is_for_a_person",
    ),
    Elsewhere(
        "the gateway moves another amount or currency than asked",
        "nothing is shipped, the money is in suspense, and a person has it",
        f"{_SAGAS}/test_checkout.py::TestUnknownOutcomes::test_another_amount_or_currency_than_asked_is_for_a_person",
    ),
    Elsewhere(
        "a saga whose row makes no sense, taken up again and again",
        "a person has it in the end",
        f"{_SAGAS}/test_engine.py::TestFaultsOfOurs::test_a_saga_whose_context_makes_no_sense_goes_to_a_person_too",
    ),
)
