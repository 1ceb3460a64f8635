"""No page keeps out people who use a screen reader, a keyboard, or need contrast."""

from collections.abc import Callable

import pytest

from fraud.models import ReviewCase
from payments.alerts.services import raise_alert
from payments.captures import stop_captures
from payments.models import Alert, GatewayCall, SagaExecution
from tests.browser.axe import grave_faults
from tests.browser.desk import Desk
from tests.orders.builders import make_order
from tests.payments.builders import order_of, run_checkout
from tests.payments.interventions.builders import ask_for
from tests.payments.webhooks.events import nonsense
from tests.sandbox import Sandbox

WEBHOOK = "/admin/payments/webhookevent"
INTERVENTION = "/admin/payments/sagaintervention"
PAGES: dict[str, Callable[[SagaExecution], str]] = {
    "dashboard": lambda saga: "/admin/",
    "list of orders": lambda saga: "/admin/orders/order/",
    "order": lambda saga: f"/admin/orders/order/{order_of(saga).public_id}/change/",
    "list of sagas": lambda saga: "/admin/payments/sagaexecution/",
    "saga": lambda saga: f"/admin/payments/sagaexecution/{saga.public_id}/change/",
    "list of charges": lambda saga: "/admin/payments/chargeattempt/",
    "queue of reviews": lambda saga: "/admin/fraud/reviewcase/",
    "review": lambda saga: f"/admin/fraud/reviewcase/{ReviewCase.objects.get().public_id}/change/",
    "list of alerts": lambda saga: "/admin/payments/alert/",
    "alert": lambda saga: f"/admin/payments/alert/{Alert.objects.get().public_id}/change/",
    "list of interventions": lambda saga: "/admin/payments/sagaintervention/",
    "intervention": lambda saga: f"{INTERVENTION}/{saga.interventions.get().public_id}/change/",
    "approval": lambda saga: f"{INTERVENTION}/{saga.interventions.get().public_id}/decide/",
    "action on a saga": lambda saga: f"/admin/payments/sagaexecution/{saga.public_id}/act/retry/",
    "failed webhook": lambda saga: f"{WEBHOOK}/{nonsense().public_id}/change/",
    "replay of a webhook": lambda saga: f"{WEBHOOK}/{nonsense().public_id}/replay/",
    "setting a webhook aside": lambda saga: f"{WEBHOOK}/{nonsense().public_id}/set-aside/",
    "captures": lambda saga: "/admin/payments/capturestop/",
    "gateways": lambda saga: "/admin/payments/circuitbreaker/",
    "list of calls": lambda saga: "/admin/payments/gatewaycall/",
    "call": lambda saga: f"/admin/payments/gatewaycall/{GatewayCall.objects.filter(saga=saga).latest('id').pk}/change/",
}


def assert_accessible(desk: Desk) -> None:
    assert desk.faults() == []
    assert grave_faults(desk.browser) == []
    desk.faults()  # axe-core tries out styles in the page, and the policy stops it


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious_on_a_page_of_the_back_office(page: str, desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")
    run_checkout(payment_method="tok_avs_partial")
    raise_alert("failed_compensation", saga.public_id, "It could not be undone.", order_id=saga.order_id)
    stop_captures(by="ann", reason="The gateway charges twice.")
    ask_for(saga, "mark_compensated", evidence="bank-1")
    desk.sit_down("Operator")

    desk.open(PAGES[page](saga))

    assert_accessible(desk)


def test_axe_finds_nothing_serious_on_the_page_to_sign_in(desk: Desk) -> None:
    desk.open("/admin/login/")

    assert_accessible(desk)
