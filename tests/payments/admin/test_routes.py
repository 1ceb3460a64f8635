from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from payments.models import GatewayRoute
from tests.office import Office

pytestmark = pytest.mark.django_db

ADD = "payments_gatewayroute_add"
RULE = {"priority": "1", "gateway": "sandbox", "currency": "", "from_minor": "", "below_minor": "", "is_on": "on"}


def test_an_operator_adds_a_rule_and_it_is_on_the_record(office: Office) -> None:
    office.post(ADD, **RULE | {"currency": "usd", "from_minor": "5000", "retried_declines": "generic_decline"})

    rule = GatewayRoute.objects.get()
    assert (rule.gateway, rule.currency, rule.from_minor, rule.is_on) == ("sandbox", "USD", 5000, True)
    assert LogEntry.objects.get().object_repr == "USD to sandbox"


def test_the_list_shows_amounts_as_money(office: Office) -> None:
    GatewayRoute.objects.create(gateway="sandbox", currency="JPY", from_minor=500)
    GatewayRoute.objects.create(gateway="sandbox", currency="USD", from_minor=500, below_minor=10_000)
    GatewayRoute.objects.create(gateway="sandbox", currency="USD", below_minor=10_000)
    GatewayRoute.objects.create(gateway="sandbox")

    html = office.get("payments_gatewayroute_changelist").content.decode()

    for told in ("from 500 JPY", "5.00 USD to below 100.00 USD", "anything to below 100.00 USD", ">any<"):
        assert told in html


@pytest.mark.parametrize(
    "wrong",
    [
        {"gateway": "adyen"},
        {"currency": "XYZ"},
        {"from_minor": "5"},
        {"below_minor": "5"},
        {"currency": "USD", "from_minor": "10", "below_minor": "10"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(office: Office, wrong: dict[str, str]) -> None:
    response = office.post(ADD, **RULE | wrong)

    assert "errornote" in response.content.decode()
    assert not GatewayRoute.objects.exists()


def test_a_gateway_that_is_not_in_use_is_named_with_those_that_are() -> None:
    with pytest.raises(ValidationError, match="there are: sandbox"):
        GatewayRoute(gateway="adyen").clean()


@pytest.mark.parametrize("wrong", [{"from_minor": 5}, {"currency": "USD", "from_minor": 5, "below_minor": 5}])
def test_the_database_refuses_it_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        GatewayRoute.objects.create(gateway="sandbox", **wrong)


def test_whoever_is_no_operator_changes_no_rule(client: Client) -> None:
    response = client.post("/admin/payments/gatewayroute/add/", RULE)

    assert response.status_code == 302
    assert not GatewayRoute.objects.exists()
