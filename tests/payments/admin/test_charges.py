import pytest

from payments.models import (
    GatewayOutcome,
    LedgerPosting,
    Refund,
)
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_a_charge_tells_where_its_money_is(office: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout(make_order(postal_code="99999")))
    refund = Refund.objects.get(charge=charge)

    html = office.page("payments_chargeattempt_change", charge.public_id)

    assert "visa •••• 4242" in html
    assert html.count("25.00 USD") >= 5
    for shown in (charge.order, charge.saga, refund):
        assert shown.public_id in html
    for posting in LedgerPosting.objects.filter(charge=charge):
        assert posting.transaction_id in html


@pytest.mark.parametrize("term", ["{charge}", "{charge.gateway_reference}", "0005", "{charge.order}", "{charge.saga}"])
def test_a_charge_is_found_by_what_people_have_in_hand(office: Office, sandbox: Sandbox, term: str) -> None:
    charge, other = charge_of(run_checkout(make_order(), "tok_amex")), charge_of(run_checkout())

    html = office.page("payments_chargeattempt_changelist", q=term.format(charge=charge))

    assert charge.public_id in html
    assert other.public_id not in html


@pytest.mark.parametrize("query", [{"status__exact": "voided"}, {"gateway": "stripe"}])
def test_filters_narrow_the_list_of_charges(office: Office, sandbox: Sandbox, query: dict[str, str]) -> None:
    charge = charge_of(run_checkout())

    assert charge.public_id not in office.page("payments_chargeattempt_changelist", **query)


def test_a_refund_leads_to_its_charge_order_and_saga(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999"))
    refund = Refund.objects.get(saga=saga)

    html = office.page("payments_refund_change", refund.public_id)

    for shown in (charge_of(saga), saga, saga.order):
        assert shown.public_id in html
    assert refund.public_id in office.page("payments_refund_changelist", q=saga.order.public_id)


def test_the_ledger_and_the_reports_behind_it_are_there_to_read(office: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    posting = LedgerPosting.objects.get(charge=charge)
    outcome = GatewayOutcome.objects.get(charge=charge, operation="capture")
    payout = LedgerPosting.objects.create(
        gateway="sandbox",
        kind="payout",
        transaction_id="po_1",
        debit="payouts",
        credit="gateway_clearing",
        amount_minor=1,
        currency="USD",
    )

    assert "gateway clearing" in office.page("payments_ledgerposting_change", posting.pk)
    assert charge.public_id in office.page("payments_gatewayoutcome_change", outcome.pk)
    assert "po_1" in office.page("payments_ledgerposting_change", payout.pk)
    assert "po_1" not in office.page("payments_ledgerposting_changelist", q=charge.public_id)
    assert posting.transaction_id in office.page("payments_gatewayoutcome_changelist", q=outcome.transaction_id)
