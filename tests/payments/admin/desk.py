"""The reviews' desk as a test works at it."""

from typing import Any, Final

from django.contrib.admin.models import LogEntry

from fraud.models import ReviewCase
from payments.models import SagaExecution
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.builders import run_checkout

WHY: Final = "Spoke to the customer."


def park(**fields: Any) -> SagaExecution:
    """A checkout that waits for a person."""
    return run_checkout(make_order(**fields), "tok_avs_partial")


def case_of(saga: SagaExecution) -> ReviewCase:
    return ReviewCase.objects.get(order_id=saga.order_id)


def queue(office: Office, **query: str) -> str:
    return office.page("fraud_reviewcase_changelist", **query)


def page(office: Office, case: ReviewCase) -> str:
    return office.page("fraud_reviewcase_change", case.public_id)


def press(office: Office, case: ReviewCase, action: str, **form: object) -> str:
    """The page to which a button leads."""
    response = office.post(f"fraud_reviewcase_{action}", case.public_id, **form)
    assert response.status_code == 200
    case.refresh_from_db()
    return str(response.content.decode())


def logged(case: ReviewCase) -> list[tuple[str, str]]:
    """Who did what to it."""
    entries = LogEntry.objects.filter(object_id=str(case.pk)).select_related("user").order_by("id")
    return [(entry.user.username, entry.get_change_message()) for entry in entries]
