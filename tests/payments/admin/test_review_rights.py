import pytest
from django.test import Client
from django.urls import reverse

from payments.models import SagaExecution
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.admin.desk import WHY, case_of, logged, page, park, queue
from tests.payments.builders import run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

ACTIONS = ["claim", "release", "assign", "escalate", "approve", "reject"]


def test_who_may_only_look_has_no_buttons_and_is_refused(parked: SagaExecution) -> None:
    case, auditor = case_of(parked), Office(groups=("Auditor",))

    for html in (page(auditor, case), queue(auditor)):
        assert "<button" not in html.split('id="content-main"')[1].replace('<button type="submit">Search', "")
    for action in ACTIONS:
        response = auditor.post(f"fraud_reviewcase_{action}", case.public_id, reason=WHY, person=auditor.user.pk)
        assert response.status_code == 403
    assert auditor.post("fraud_reviewcase_claim_next").status_code == 403
    case.refresh_from_db()
    assert (case.state, logged(case)) == ("open", [])


def test_without_the_permission_to_view_there_is_nothing(parked: SagaExecution) -> None:
    case, blind = case_of(parked), Office(ALL_CLIENTS, "fraud.change_decision")

    assert blind.get("fraud_reviewcase_changelist").status_code == 403
    assert blind.get("fraud_reviewcase_change", case.public_id).status_code == 403
    assert blind.post("fraud_reviewcase_claim", case.public_id).status_code == 403


def test_staff_of_one_client_has_the_cases_of_that_client_alone(sandbox: Sandbox) -> None:
    office = Office("fraud.view_reviewcase", "fraud.change_reviewcase")
    foreign = case_of(park())
    own = case_of(run_checkout(make_order(office.user), "tok_avs_partial"))

    html = queue(office)
    assert own.public_id in html
    assert foreign.public_id not in html
    assert office.post("fraud_reviewcase_approve", foreign.public_id, reason=WHY).status_code == 404
    office.post("fraud_reviewcase_claim_next")
    office.post("fraud_reviewcase_claim_next")
    foreign.refresh_from_db()
    assert foreign.state == "open"


@pytest.mark.parametrize("action", ACTIONS)
def test_looking_changes_nothing(office: Office, parked: SagaExecution, action: str) -> None:
    case = case_of(parked)

    assert office.get(f"fraud_reviewcase_{action}", case.public_id, reason=WHY).status_code == 302
    assert office.get("fraud_reviewcase_claim_next").status_code == 302

    case.refresh_from_db()
    assert (case.state, logged(case)) == ("open", [])


def test_a_form_from_elsewhere_is_refused(office: Office, parked: SagaExecution) -> None:
    case, http = case_of(parked), Client(enforce_csrf_checks=True)
    http.force_login(office.user)

    for action in ACTIONS:
        address = reverse(f"admin:fraud_reviewcase_{action}", args=[case.public_id])
        assert http.post(address, {"reason": WHY}).status_code == 403
    assert http.post(reverse("admin:fraud_reviewcase_claim_next")).status_code == 403


def test_the_stock_form_changes_nothing(office: Office, parked: SagaExecution) -> None:
    case = case_of(parked)

    for action in ("change", "delete"):
        response = office.post(f"fraud_reviewcase_{action}", case.public_id, state="closed", outcome="approved")
        assert response.status_code == 403


@pytest.mark.parametrize("object_id", ["rev_01h455vb4pex5vsknk084sn02q", "rev_1", "7", "'"])
def test_a_case_that_is_not_there_is_not_found(office: Office, object_id: str) -> None:
    assert office.post("fraud_reviewcase_claim", object_id).status_code == 404
