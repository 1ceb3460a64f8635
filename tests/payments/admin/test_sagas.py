import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db.models.functions import Now

from payments.admin import timeline
from payments.admin.narrative import sentence
from payments.models import (
    GatewayOutcome,
    SagaEvent,
    SagaExecution,
    SagaStep,
)
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import advance, begin_checkout, charge_of, run_checkout
from tests.payments.interventions.builders import ask_for, failed_refund, force
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

State = SagaExecution.State


def saga_page(office: Office, saga: SagaExecution) -> str:
    return office.page("payments_sagaexecution_change", saga.public_id)


def told(html: str) -> list[str]:
    """The sentences of a timeline, in order."""
    return re.findall(r'<p class="told">(.*?)</p>', html)


def step(name: str, **fields: Any) -> SagaStep:
    return SagaStep(**{"name": name, "direction": "forward", "state": "done", "outcome": "ok", **fields})


def test_a_checkout_reads_as_a_story(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout()
    charge = charge_of(saga)
    captured = GatewayOutcome.objects.get(charge=charge, operation="capture").transaction_id

    html = saga_page(office, saga)

    assert "It is completed." in html
    assert told(html)[0] == "Set the order&#x27;s items aside."
    assert f"Captured 25.00 USD at sandbox ({captured})." in told(html)
    assert told(html)[-1] == "Everything is done."
    for linked in (saga.order.public_id, charge.public_id):
        assert (
            f'href="/admin/{"orders/order" if linked[0] == "o" else "payments/chargeattempt"}/{linked}/change/"' in html
        )


def test_a_checkout_that_failed_tells_why_and_how_it_was_undone(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999"))

    html = saga_page(office, saga)
    sentences = told(html)

    assert "everything it did is undone" in html
    turned = next(place for place, text in enumerate(sentences) if text.startswith("Turned back"))
    assert sentences[turned - 1].startswith("Could not hand the parcel to the carrier: The carrier does not deliver")
    assert sentences[turned + 1] == "There was no parcel to call back."
    assert sentences[turned + 2].startswith("Refunded 25.00 USD at sandbox (stx_")
    assert sentences[turned + 3 :] == [
        "No authorization was left to void.",
        "Put the reserved items back.",
        "Everything is undone.",
    ]


def test_an_undo_that_was_refused_asks_for_a_person(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999", reference="shop-4711"), "tok_refund_fails")

    html = saga_page(office, saga)

    assert "It could not be undone: a person has to." in html
    assert "Why it stands" in html
    head = html.partition("What can be done now")[0]
    assert "Could not refund 25.00 USD at sandbox: The card&#x27;s issuer refuses to refund this charge." in head
    assert ("<dd>25.00 USD</dd>" in head, "<dd>shop-4711</dd>" in head) == (True, True)
    assert any(text.startswith("Could not refund 25.00 USD at sandbox:") for text in told(html))
    assert told(html)[-1].startswith("Could not undo everything, and stopped for a person:")


def test_another_amount_than_asked_is_told_beside_what_was_asked(office: Office, sandbox: Sandbox) -> None:
    sandbox.fault("wrong_amount", operation="capture", times=1)
    saga = run_checkout()

    html = saga_page(office, saga)

    assert (
        "Asked to capture 25.00 USD at sandbox, and something else was done. "
        "Asked to capture 25.00 USD, the gateway reports 24.99 USD."
    ) in told(html)
    assert "not as asked" in html


def test_of_a_saga_that_no_step_has_stopped_the_engines_word_is_shown(office: Office, sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    SagaExecution.objects.filter(pk=saga.pk).update(state=State.NEEDS_ATTENTION)
    assert "Why it stands" in saga_page(office, saga)

    SagaEvent.objects.create(saga=saga, kind="needs_attention", reason="Workers keep dying on this saga.")

    assert "Workers keep dying on this saga." in saga_page(office, saga).partition("What can be done now")[0]


def test_what_people_settled_is_told_when_they_did_with_the_amount_and_their_request(
    office: Office, sandbox: Sandbox
) -> None:
    saga = failed_refund()
    row = force(saga, "mark_compensated", evidence="bank-1")

    html = saga_page(office, saga)

    sentences = [unescape(text) for text in told(html)]
    settled = sentences.index(f"Counted as done by people's word ({row.public_id}): refund 25.00 USD at sandbox.")
    assert settled > next(place for place, text in enumerate(sentences) if text.startswith("Could not undo everything"))
    link = f'<dt>Stated in</dt><dd><a class="id" href="/admin/payments/sagaintervention/{row.public_id}/'
    assert link in html
    assert link not in saga_page(Office(ALL_CLIENTS, "payments.view_sagaexecution"), saga)


def test_sends_are_counted_over_all_keys_and_time_since_a_person_let_it_go_on(office: Office, sandbox: Sandbox) -> None:
    saga = failed_refund()
    SagaStep.objects.filter(saga=saga, name="refund_payment").update(started_at=Now() - timedelta(hours=3))
    assert "<dd>3 h 0 min, until" in saga_page(office, saga)

    ask_for(saga, "retry")
    advance(saga)

    html = saga_page(office, saga)
    assert "3 h 0 min, until" not in html
    assert "since a person let it go on, until" in html
    assert "<dt>Sent</dt><dd>twice</dd>" in re.sub(r"\s*\n\s*", "", saga_page(office, saga))


def test_what_only_its_makers_want_to_know_is_folded_at_the_end(office: Office, sandbox: Sandbox) -> None:
    page, folded = saga_page(office, run_checkout()).split('<details class="record folded">')

    for name in ("Business key", "Lease", "Epoch", "Recoveries", "Definition"):
        assert (f"<dt>{name}</dt>" in page, f"<dt>{name}</dt>" in folded) == (False, True)
    assert "What its steps know" not in folded


def test_what_a_saga_waits_for_is_said_with_its_deadline(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_3ds")

    html = saga_page(office, saga)

    assert "It waits for the customer to confirm the payment." in html
    assert "At the latest until" in html
    assert "Asked to authorize 25.00 USD at sandbox; the customer has to confirm it." in told(html)
    assert "the customer to confirm the payment" in office.page("payments_sagaexecution_changelist")


def test_a_saga_that_has_ended_waits_for_nothing(office: Office, sandbox: Sandbox) -> None:
    html = saga_page(office, run_checkout())

    assert "At the latest until" not in html
    assert "Why it turned back" not in html


def test_every_call_is_there_with_its_request_and_answer(office: Office, sandbox: Sandbox) -> None:
    html = saga_page(office, run_checkout(make_order(), "tok_flaky_2"))

    assert "It took 3 attempts." in html
    assert "Call 1: <b>authorize</b>, no answer in" in html
    assert "Call 2: <b>look up</b>, answered 200 in" in html
    assert "&quot;payment_method&quot;: &quot;tok_flaky_2&quot;" in html


def test_what_a_gateway_says_is_shown_as_text_and_redacted_once_more(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout()
    call = {
        "operation": "capture",
        "url": "POST /v1/cards/4242424242424242",
        "status": 500,
        "milliseconds": 5,
        "request": {"cvv": "123", "card_number": "4242424242424242"},
        "answer": "<script>alert(1)</script> for 4242424242424242",
    }
    SagaStep.objects.filter(saga=saga, name="capture_payment").update(calls=[call])
    SagaExecution.objects.filter(pk=saga.pk).update(context={"gateway": "sandbox", "password": "hunter2"})

    html = saga_page(office, saga)

    assert "[card ****4242]" in html
    for secret in ("4242424242424242", "&quot;123&quot;", "<script>alert(1)", "hunter2"):
        assert secret not in html


def test_of_thousands_of_calls_the_first_and_the_last_are_shown(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout()
    calls = [
        {"operation": "look_up", "url": f"GET /{number}", "status": 200, "milliseconds": 1} for number in range(99)
    ]
    SagaStep.objects.filter(saga=saga, name="capture_payment").update(calls=calls)

    html = saga_page(office, saga)

    assert "59 more calls in between are not shown." in html
    assert "<code>GET /0</code>" in html
    assert "<code>GET /98</code>" in html
    assert "<code>GET /50</code>" not in html


@pytest.mark.parametrize("behind", [-500, 0, 500])
def test_a_story_keeps_its_order_though_clocks_differ(office: Office, sandbox: Sandbox, behind: int) -> None:
    saga = run_checkout(make_order(postal_code="99999"))
    steps = list(saga.steps.all())
    for each in steps:
        each.started_at += timedelta(milliseconds=behind)
        each.finished_at = (each.finished_at or each.started_at) + timedelta(milliseconds=behind)

    titles = [entry.title for entry in timeline.of(saga, steps, saga.events.all(), [])]

    assert titles[-1] == "Compensated"
    assert titles[titles.index("Compensation started") - 1] == "Create shipment"
    assert titles.index("Compensation started") == 7


def test_what_a_person_did_is_part_of_the_story(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")
    SagaEvent.objects.create(saga=saga, kind="resolved", actor="olga", reason="Paid back by transfer.", before={"a": 1})

    html = saga_page(office, saga)

    assert told(html)[-1] == "Resolved. Paid back by transfer."
    assert "<dt>By</dt><dd>olga</dd>" in html


def test_a_saga_that_is_being_worked_on_names_its_worker(office: Office, sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    running = {"state": State.RUNNING, "lease_owner": "worker:7", "lease_until": Now() + timedelta(minutes=1)}

    assert "It is about to begin." in saga_page(office, saga)
    assert "Nothing yet." in saga_page(office, saga)
    SagaExecution.objects.filter(pk=saga.pk).update(**running)

    assert "worker:7 until" in saga_page(office, saga)
    SagaExecution.objects.filter(pk=saga.pk).update(is_paused=True)

    assert "It is paused by a person." in saga_page(office, saga)


def test_fraud_decisions_are_part_of_the_story_for_those_who_may_see_them(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout()
    other = Office(ALL_CLIENTS, "payments.view_sagaexecution")

    assert "/admin/fraud/decision/" in saga_page(office, saga)
    assert "/admin/fraud/decision/" not in saga_page(other, saga)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            step("authorize_payment", outcome="unknown", state="started", error={"detail": "No answer."}),
            "not known yet",
        ),
        (
            step("authorize_payment", outcome="", state="started", error={"detail": "Refused."}),
            "the last time: Refused.",
        ),
        (step("capture_payment", outcome="", state="started"), "Is about to capture"),
        (step("reserve_inventory", outcome="declined", state="failed"), "no reason was given"),
        (step("refund_payment", result={"amount_minor": 500, "currency": "USD"}), "Refunded 5.00 USD at sandbox."),
        (step("call_a_friend"), "Did call a friend."),
        (step("capture_payment", calls=[{"operation": "look_up"}]), "a look-up found it done"),
        (step("capture_payment", result={"amount_minor": 5, "currency": "???"}), "Captured 5 ??? in minor units"),
        (
            step("refund_payment", result={"stated_in": "int_1"}, request={"amount_minor": 500, "currency": "USD"}),
            "Counted as done by people's word (int_1): refund 5.00 USD at sandbox.",
        ),
        (step("refund_payment", result={"stated_in": "int_1"}), "(int_1): refund the money at sandbox."),
        (step("void_stray", outcome="not_needed"), "No stray authorization had to be voided."),
        (step("call_back_stray"), "Called a stray parcel back"),
    ],
)
def test_a_step_has_a_sentence_whatever_became_of_it(made: SagaStep, words: str) -> None:
    assert words in sentence(made, gateway="sandbox")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (step("capture_payment", outcome="unknown"), "Asked to capture the money at sandbox; what became of it is not"),
        (step("capture_payment", outcome="", error={"detail": "No."}), "Tried to capture the money at sandbox, and"),
        (step("capture_payment", outcome=""), "Was about to capture the money at sandbox, and stopped."),
    ],
)
def test_a_step_at_which_a_saga_has_stopped_does_not_go_on(made: SagaStep, words: str) -> None:
    made.state = "started"

    assert sentence(made, gateway="sandbox", has_stopped=True).startswith(words)


def test_a_step_at_which_a_saga_has_stopped_is_marked_so(office: Office, sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    SagaStep.objects.create(saga=saga, position=0, direction="forward", name="capture_payment")
    assert ">started</span>" in saga_page(office, saga)

    SagaExecution.objects.filter(pk=saga.pk).update(state=State.NEEDS_ATTENTION)

    assert ">stopped</span>" in saga_page(office, saga)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "under 1 ms"), (0.25, "250 ms"), (0.9999, "1.0 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")],
)
def test_a_span_is_as_coarse_as_it_is_long(seconds: float, words: str) -> None:
    assert timeline.duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize("term", ["{saga.public_id}", "{saga.order.public_id}", "{saga.business_key}", "{charge}"])
def test_a_saga_is_found_by_what_people_have_in_hand(office: Office, sandbox: Sandbox, term: str) -> None:
    saga, other = run_checkout(), run_checkout()

    html = office.page("payments_sagaexecution_changelist", q=term.format(saga=saga, charge=charge_of(saga)))

    assert saga.public_id in html
    assert other.public_id not in html


@pytest.mark.parametrize("query", [{"state__exact": "waiting"}, {"definition": "remedy"}])
def test_filters_narrow_the_list_of_sagas(office: Office, sandbox: Sandbox, query: dict[str, str]) -> None:
    saga = run_checkout()

    assert saga.public_id not in office.page("payments_sagaexecution_changelist", **query)


def test_the_list_says_why_a_saga_stands_and_over_how_much(office: Office, sandbox: Sandbox) -> None:
    run_checkout(make_order(postal_code="99999", reference="shop-4711"), "tok_refund_fails")
    other = Office(ALL_CLIENTS, "payments.view_sagaexecution")

    html, without_orders = (each.page("payments_sagaexecution_changelist") for each in (office, other))

    reason = "The card&#x27;s issuer refuses to refund this charge."
    for shown in (html, without_orders):
        assert f'<td class="field-standing">{reason}</td>' in shown
    for told in ('<td class="field-amount">25.00 USD</td>', '<td class="field-reference">shop-4711</td>'):
        assert (told in html, told in without_orders) == (True, False)


def test_a_saga_page_takes_the_same_queries_however_long_its_story(office: Office, sandbox: Sandbox) -> None:
    short = run_checkout(make_order(), "tok_declined")
    long = run_checkout(make_order(postal_code="99999"), "tok_flaky_2")
    for number in range(8):
        SagaEvent.objects.create(saga=long, kind="parked", after={"waiting_for": f"thing {number}"})
    saga_page(office, short)

    assert SagaStep.objects.filter(saga=long).count() > SagaStep.objects.filter(saga=short).count()
    assert office.queries("payments_sagaexecution_change", long.pk) == office.queries(
        "payments_sagaexecution_change", short.pk
    )
