"""The demo data is loaded by its command, and the sandbox that it tells is a real one."""

import sqlite3
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from pytest_django import Settings

from config.demo_data import journal
from config.demo_data.accounts import STAFF
from config.demo_data.plan import IN_SANDBOX, Ending, make_plan
from fraud.models import Decision, ListEntry, ReviewCase
from orders.models import Order, StockItem
from payments.alerts import rounds
from payments.models import Alert, ChargeAttempt, GatewayOutcome, LedgerPosting, Refund, SagaExecution
from payments.sagas import context, engine, registry
from payments.sagas.checkout import CheckoutContext
from tests.config.builders import bearer
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

NOBODY = "http://127.0.0.1:9"
"""The discard port: nothing answers there."""


@pytest.fixture(autouse=True)
def _own_sandbox(settings: Settings, tmp_path: Path) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # what is slow about it is not ours
    settings.SANDBOX_GATEWAY_URL = NOBODY
    settings.SANDBOX_JOURNAL = str(tmp_path / "sandbox.sqlite3")
    settings.DEMO_PASSWORD = ""


def load(*arguments: str) -> dict[str, str]:
    """What the command printed, by its labels."""
    out = StringIO()
    call_command("load_demo", *arguments, stdout=out, stderr=out)
    return {line[:12].strip(): line[12:] for line in out.getvalue().splitlines()}


def movements_in_journal() -> set[tuple[Any, ...]]:
    db = sqlite3.connect(settings.SANDBOX_JOURNAL)
    rows = db.execute(
        "SELECT operation, id, amount, currency, at FROM operations"
        " WHERE operation IN ('capture', 'refund') AND status = 'succeeded'"
    )
    return set(rows)


def movements_in_ledger() -> set[tuple[Any, ...]]:
    rows = LedgerPosting.objects.values_list("kind", "transaction_id", "amount_minor", "currency", "occurred_at")
    return {(*row[:4], row[4].isoformat(timespec="microseconds")) for row in rows if row[4]}


def everything() -> list[int]:
    models = (User, StockItem, ListEntry, Order, Decision, ReviewCase, SagaExecution, ChargeAttempt, GatewayOutcome)
    return [model._default_manager.count() for model in (*models, LedgerPosting, Refund)]


def test_the_people_can_sign_in_and_are_in_their_groups(settings: Settings) -> None:
    settings.DEMO_PASSWORD = "open sesame"

    printed = load("--no-history")

    assert printed["password"] == "open sesame"
    for name, group in STAFF.items():
        user = User.objects.get(username=name)
        assert user.check_password("open sesame")
        assert (user.is_staff, user.is_superuser) == (True, name == "admin")
        assert [*user.groups.values_list("name", flat=True)] == ([group] if group else [])


def test_without_a_password_a_random_one_is_made_and_printed_once() -> None:
    first, again = load("--no-history"), load("--no-history")

    assert User.objects.get(username="auditor").check_password(first["password"])
    assert len(first["password"]) >= 12
    assert again["password"] == "as it was; set DEMO_PASSWORD to change it"


def test_a_password_that_is_given_later_becomes_everybodys(settings: Settings) -> None:
    load("--no-history")
    settings.DEMO_PASSWORD = "open sesame"

    load("--no-history")

    assert all(User.objects.get(username=name).check_password("open sesame") for name in STAFF)


def test_who_went_missing_comes_back_with_a_password_of_their_own() -> None:
    first = load("--no-history")["password"]
    User.objects.get(username="auditor").delete()

    printed = load("--no-history")["password"]

    password, _, whose = printed.partition(" ")
    assert whose == "(of auditor alone)"
    assert User.objects.get(username="auditor").check_password(password)
    assert User.objects.get(username="admin").check_password(first)


def test_the_printed_token_is_an_api_clients(client: Client) -> None:
    token = load("--no-history")["API token"]

    assert client.get("/v1/orders", headers=bearer(token)).status_code == 200
    assert client.get("/v1/fraud/decisions", headers=bearer(token)).status_code == 200
    user = AuthToken.objects.get().user
    assert (user.username, user.is_staff, user.has_usable_password()) == ("demo-client", False, False)


def test_a_person_of_the_clients_name_stops_it_before_anything_is_made() -> None:
    User.objects.create_user("demo-client", password="somebody's", is_staff=True)

    with pytest.raises(CommandError, match="'demo-client' is a person's account"):
        load()

    assert User.objects.count() == 1
    assert not StockItem.objects.exists()


def test_stock_and_lists_are_there() -> None:
    load("--no-history")

    stock = dict(StockItem.objects.values_list("sku", "available"))
    assert stock == {"TEE": 1_000_000, "MUG": 1_000_000, "POSTER": 1_000_000, "LAST-ONE": 1}
    assert set(ListEntry.objects.values_list("list_name", "kind", "value")) == {
        ("block", "email", "blocked@example.com"),
        ("watch", "email", "review@example.com"),
    }


def test_loading_twice_adds_nothing_but_a_token() -> None:
    assert load()["history"] == "150 orders, in the sandbox's journal too"
    StockItem.objects.filter(sku="LAST-ONE").update(available=0)
    before = everything()

    printed = load()

    assert everything() == before
    assert "history" not in printed
    assert StockItem.objects.get(sku="LAST-ONE").available == 0
    assert AuthToken.objects.count() == 2


def test_the_ledger_has_the_movements_of_the_journal_and_no_others() -> None:
    load()

    assert movements_in_ledger() == movements_in_journal()
    assert LedgerPosting.objects.count() == len(movements_in_journal()) > 100


def test_orders_charges_and_ledger_agree_on_what_was_paid() -> None:
    load()

    totals = {
        kind: LedgerPosting.objects.filter(kind=kind).aggregate(total=Sum("amount_minor"))["total"]
        for kind in ("capture", "refund")
    }
    charges = ChargeAttempt.objects.aggregate(captured=Sum("captured_minor"), refunded=Sum("refunded_minor"))
    assert totals == {"capture": charges["captured"], "refund": charges["refunded"]}
    assert Order.objects.aggregate(paid=Sum("paid_minor"))["paid"] == charges["captured"] - charges["refunded"]
    assert Refund.objects.aggregate(total=Sum("amount_minor"))["total"] == charges["refunded"]
    lines = Order.objects.annotate(lines_minor=Sum(F("lines__quantity") * F("lines__unit_amount_minor")))
    assert not lines.exclude(lines_minor=F("amount_minor")).exists()


def test_a_new_database_is_told_what_the_journal_knows_already() -> None:
    with transaction.atomic():
        load()
        known = movements_in_journal()
        transaction.set_rollback(True)
    assert not Order.objects.exists()

    load()

    assert movements_in_ledger() == movements_in_journal() == known


def test_a_running_sandbox_is_told_over_http(settings: Settings, tmp_path: Path) -> None:
    with Sandbox(tmp_path / "another.sqlite3") as sandbox:
        settings.SANDBOX_GATEWAY_URL = sandbox.url

        load()

        captured = {(entry["charge"], entry["amount"]) for entry in sandbox.effective("capture")}
    assert captured == set(
        ChargeAttempt.objects.filter(status="captured").values_list("gateway_reference", "captured_minor")
    )
    assert not Path(settings.SANDBOX_JOURNAL).exists()


@pytest.mark.parametrize("fault", ["no sandbox there", "no journal there"])
def test_without_a_sandbox_the_rest_is_loaded(
    fault: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "no sandbox there":
        settings.SANDBOX_GATEWAY_URL = "http://sandbox.invalid:8001"
        monkeypatch.setattr(journal, "PATIENCE_SECONDS", 0)
    else:
        (tmp_path / "file").touch()
        settings.SANDBOX_JOURNAL = str(tmp_path / "file" / "sandbox.sqlite3")

    printed = load()

    assert printed["history"].startswith("not loaded: ")
    assert not Order.objects.exists()
    assert StockItem.objects.exists()


def test_the_history_is_some_weeks_before_yesterday() -> None:
    load()

    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [*Order.objects.values_list("created_at", flat=True)]
    moments += [at for at in LedgerPosting.objects.values_list("occurred_at", flat=True) if at]
    assert min(moments) < midnight - timedelta(weeks=5)
    assert max(moments) < midnight - timedelta(days=1)


def test_ids_sort_as_the_history_went() -> None:
    load()

    by_id = [*ChargeAttempt.objects.order_by("id").values_list("pk", flat=True)]
    assert by_id == [*ChargeAttempt.objects.order_by("created_at").values_list("pk", flat=True)]


def test_every_past_checkout_has_the_steps_that_the_saga_would_have_taken() -> None:
    load()

    completed = SagaExecution.objects.filter(definition="checkout", state="completed").first()
    undone = SagaExecution.objects.filter(failure__code="shipment_refused").first()
    assert completed
    assert undone
    steps = registry.get("checkout", completed.version).steps
    assert [step.name for step in completed.steps.all()] == [step.name for step in steps]
    assert [step.name for step in undone.steps.filter(direction="compensating")] == [
        "cancel_shipment",
        "refund_payment",
        "void_payment",
        "release_inventory",
    ]
    for saga in SagaExecution.objects.filter(definition="checkout"):
        context.check(saga.context, CheckoutContext)


def test_a_worker_leaves_the_history_alone_and_keeps_the_reviews_waiting() -> None:
    load()

    while engine.advance_next(owner="test"):
        pass

    waiting = SagaExecution.objects.exclude(state__in=SagaExecution.FINAL)
    assert set(waiting.values_list("state", "waiting_for", "order__status")) == {("waiting", "review", "in_review")}
    assert waiting.count() == ReviewCase.objects.filter(state="open").count() == 3
    assert ReviewCase.objects.filter(due_at__lt=timezone.now()).count() == 0


def test_the_plan_is_the_same_story_every_day() -> None:
    one = make_plan(datetime(2026, 1, 31, 3, tzinfo=UTC))
    other = make_plan(datetime(2026, 8, 1, 23, tzinfo=UTC))

    assert [past.at + timedelta(days=182) for past in one] == [past.at for past in other]
    assert [past.amount_minor for past in one] == [past.amount_minor for past in other]
    assert {past.ending for past in one} == set(Ending) == {*IN_SANDBOX, Ending.BLOCKED}


def test_nobody_is_called_about_the_past() -> None:
    load()

    rounds.watch()

    assert not Alert.objects.exists()
