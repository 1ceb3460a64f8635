import re
from itertools import pairwise

import pytest

from payments.models import (
    ChargeAttempt,
    GatewayOutcome,
    IdempotencyKey,
    LedgerPosting,
    Refund,
    SagaExecution,
)
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def saga_page(office: Office, saga: SagaExecution) -> str:
    return office.page("payments_sagaexecution_change", saga.public_id)


LISTS = ["sagaexecution", "chargeattempt", "refund", "ledgerposting", "gatewayoutcome", "idempotencykey"]


def test_longer_lists_take_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    for _ in range(2):
        run_checkout(make_order(postal_code="99999"))
    for_two = [office.queries(f"payments_{name}_changelist") for name in LISTS]
    for _ in range(6):
        run_checkout(make_order(postal_code="99999"))

    assert Refund.objects.count() == 8
    assert [office.queries(f"payments_{name}_changelist") for name in LISTS] == for_two


@pytest.mark.parametrize("name", LISTS)
def test_without_the_permission_to_view_money_nothing_is_shown(name: str) -> None:
    assert Office(ALL_CLIENTS, "orders.view_order").get(f"payments_{name}_changelist").status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_nothing_about_money_is_changed_in_a_form(sandbox: Sandbox, name: str) -> None:
    model = {row._meta.model_name: row for row in (SagaExecution, ChargeAttempt, Refund, LedgerPosting, GatewayOutcome)}
    run_checkout(make_order(postal_code="99999"))
    row = model.get(name, IdempotencyKey).objects.first()
    assert row is not None
    office = Office(ALL_CLIENTS, *(f"payments.{verb}_{name}" for verb in ("add", "change", "delete", "view")))

    for action in ("change", "delete"):
        assert office.post(f"payments_{name}_{action}", row.pk, post="yes", status="captured").status_code == 403
    assert office.get(f"payments_{name}_add").status_code == 403
    assert 'name="_save"' not in office.page(f"payments_{name}_change", row.pk)


@pytest.mark.parametrize("name", LISTS)
def test_staff_of_one_client_sees_the_money_of_that_client_alone(sandbox: Sandbox, name: str) -> None:
    office = Office(f"payments.view_{name}")
    own, foreign = make_order(office.user, postal_code="99999"), make_order(postal_code="99999")
    shown = [run_checkout(order) for order in (own, foreign)]

    html = office.page(f"payments_{name}_changelist")

    assert html.count('<th class="field-') == len(re.findall(r"<tr><t[hd]", html)) > 0
    assert _named(name, shown[0]) in html
    assert _named(name, shown[1]) not in html


def _named(name: str, saga: SagaExecution) -> str:
    """How the list calls the row of this saga."""
    charge = charge_of(saga)
    return {
        "sagaexecution": saga.public_id,
        "idempotencykey": str(saga.idempotency_key),
        "refund": saga.refunds.get().public_id,
        "chargeattempt": charge.public_id,
    }.get(name, charge.public_id)


def test_who_may_not_see_sagas_is_not_led_to_them(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    office = Office(groups=("Finance",))

    assert charge.saga.public_id not in office.page("payments_chargeattempt_change", charge.pk)
    assert charge.saga.public_id not in office.page("orders_order_change", charge.order_id)


def test_a_page_that_is_not_there_leads_back(office: Office) -> None:
    for object_id in ("saga_01h455vb4pex5vsknk084sn02q", "saga_1", "7", "ord_01h455vb4pex5vsknk084sn02q"):
        assert office.get("payments_sagaexecution_change", object_id).status_code == 302


def test_pages_hold_to_the_content_security_policy(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_flaky_2")
    pages = [
        saga_page(office, saga),
        office.page("orders_order_change", saga.order_id),
        office.page("payments_sagaexecution_changelist"),
    ]

    for html in pages:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)


def test_headings_of_a_saga_page_are_in_order(office: Office, sandbox: Sandbox) -> None:
    html = saga_page(office, run_checkout())

    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_column_of_a_table_has_its_heading(office: Office, sandbox: Sandbox) -> None:
    html = office.page("orders_order_change", run_checkout().order_id)

    tables = re.findall(r'<table class="rows">(.*?)</table>', html, re.DOTALL)

    assert len(tables) >= 5
    for table in tables:
        assert "<th>" not in table
        assert table.count('scope="row"') == table.count("<tr>") - 1
