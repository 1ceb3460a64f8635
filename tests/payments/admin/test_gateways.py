import re
from typing import Any

import pytest
from pytest_django import Settings

from payments.gateways.resilience import breaker
from payments.models import CircuitBreaker, GatewayCall, SagaExecution
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

PAGE = "payments_circuitbreaker_changelist"
WHY = "It charges <twice>."


def press(office: Office, do: str, reason: str = WHY, gateway: str = "sandbox") -> Any:
    return office.post(PAGE, gateway=gateway, do=do, reason=reason)


def panel(html: str, gateway: str = "sandbox") -> str:
    """The section of one gateway, without its tags."""
    section = html.partition(f'aria-labelledby="gateway-{gateway}"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", section).split())


def test_an_operator_has_a_gateway_left_alone_and_lets_the_breaker_decide_again(office: Office) -> None:
    html = press(office, "open").content.decode()
    assert "“sandbox” is left alone now" in html
    assert "forced open" in panel(html)
    assert office.user.username in panel(html)
    assert "It charges &lt;twice&gt;." in panel(html)
    assert "forced" not in panel(html, "sandbox_carrier")

    html = press(office, "automatic", "Mended.").content.decode()

    assert "The breaker of “sandbox” decides again." in html
    assert "It is asked as usual." in panel(html)


def test_one_that_is_open_by_itself_says_for_how_long(office: Office, settings: Settings) -> None:
    settings.GATEWAY_BREAKER_FAILURES = 1
    breaker.store().failed("sandbox", probe="")

    told = panel(office.page(PAGE))

    assert "It is left alone: it failed again and again." in told
    assert "Next call in 10 s" in told


def test_a_gateway_that_is_asked_whatever_happens_says_so(office: Office) -> None:
    html = press(office, "closed", gateway="sandbox_carrier").content.decode()

    assert "forced closed" in panel(html, "sandbox_carrier")


@pytest.mark.parametrize(("do", "reason"), [("open", ""), ("open", "x" * 501), ("away", WHY), ("open", "   ")])
def test_without_a_reason_or_with_something_else_nothing_is_changed(office: Office, do: str, reason: str) -> None:
    assert press(office, do, reason).status_code == 400

    assert not CircuitBreaker.objects.exists()


def test_a_gateway_nobody_knows_is_not_switched(office: Office) -> None:
    assert press(office, "open", gateway="elsewhere").status_code == 400

    assert not CircuitBreaker.objects.exists()


def test_a_page_that_has_grown_old_is_told_so(office: Office) -> None:
    press(office, "open")

    assert "It was so already." in press(office, "open").content.decode()


@pytest.mark.parametrize("group", ["Auditor", "Finance", "Fraud analyst"])
def test_who_may_not_changes_nothing(group: str) -> None:
    assert press(Office(groups=(group,)), "open").status_code == 403

    assert not CircuitBreaker.objects.exists()


def test_auditors_look_and_have_no_buttons() -> None:
    html = Office(groups=("Auditor",)).page(PAGE)

    assert "It is asked as usual." in html
    assert 'name="do"' not in html


def test_who_may_not_see_calls_sees_the_figures_alone(sandbox: Sandbox) -> None:
    run_checkout()
    html = Office("payments.view_circuitbreaker").page(PAGE)

    assert "0 of 2 calls" in panel(html)
    assert "Last calls" not in html


def test_figures_count_what_failed_of_the_last_hour_and_day(office: Office, sandbox: Sandbox) -> None:
    run_checkout(payment_method="tok_insufficient_funds")
    sandbox.fault("status_500", operation="capture", times=1)
    run_checkout()

    told = panel(office.page(PAGE))

    assert "Failed in the last hour 20.0 % 1 of 5 calls" in told
    assert "declined" in told


def test_a_gateway_without_calls_has_no_figures(office: Office) -> None:
    told = panel(office.page(PAGE))

    assert "0 of 0 calls" in told
    assert "It has not been called yet." in told


def test_as_many_queries_for_two_calls_as_for_twenty(office: Office, sandbox: Sandbox) -> None:
    run_checkout()
    few = office.queries(PAGE)
    for _ in range(4):
        run_checkout()

    assert office.queries(PAGE) == few


@pytest.fixture
def saga(sandbox: Sandbox) -> SagaExecution:
    saga = run_checkout(make_order(reference="R-1"))
    run_checkout()
    return saga


def listed(office: Office, **query: str) -> list[int]:
    html = office.page("payments_gatewaycall_changelist", **query)
    return [int(number) for number in re.findall(r"/gatewaycall/(\d+)/change/", html)]


def test_calls_are_found_by_what_they_were_about(office: Office, saga: SagaExecution) -> None:
    calls = list(GatewayCall.objects.filter(saga=saga).order_by("-id"))
    assert len(calls) == 3
    ids = [call.pk for call in calls]

    for term in (saga.public_id, order_of(saga).public_id, charge_of(saga).public_id, "R-1"):
        assert listed(office, q=term) == ids
    assert listed(office, q=calls[0].key) == ids[:1]
    assert listed(office, q="nothing:at:all") == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"gateway": "sandbox"}, 4),
        ({"gateway": "sandbox_carrier"}, 2),
        ({"operation": "capture"}, 2),
        ({"outcome__exact": "succeeded"}, 6),
        ({"outcome__exact": "unknown"}, 0),
    ],
)
def test_calls_are_narrowed_down(office: Office, saga: SagaExecution, query: dict[str, str], count: int) -> None:
    assert len(listed(office, **query)) == count


def test_a_call_is_shown_as_it_was_sent_and_answered(office: Office, saga: SagaExecution) -> None:
    call = GatewayCall.objects.get(saga=saga, operation="authorize")

    html = office.page("payments_gatewaycall_change", call.pk)

    assert "tok_visa" in html
    assert "POST /v1/charges" in html
    assert "authorize_payment" in html
    assert call.key in html


def test_a_call_without_a_saga_is_shown_too(office: Office) -> None:
    call = GatewayCall.objects.create(
        gateway="sandbox", operation="look_up", outcome="unknown", url="GET /x", milliseconds=1
    )

    assert "GET /x" in office.page("payments_gatewaycall_change", call.pk)


def test_charge_and_saga_lead_to_their_calls(office: Office, saga: SagaExecution) -> None:
    to_order = f"/admin/payments/gatewaycall/?q={order_of(saga).public_id}"
    to_saga = f"/admin/payments/gatewaycall/?q={saga.public_id}"

    assert to_order in office.page("payments_chargeattempt_change", charge_of(saga).public_id)
    assert to_saga in office.page("payments_sagaexecution_change", saga.public_id)


def test_calls_about_other_peoples_orders_are_not_shown(saga: SagaExecution) -> None:
    assert listed(Office("payments.view_gatewaycall")) == []
