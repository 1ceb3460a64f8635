"""The OpenAPI document is true: schemathesis asks a running server everything that the document allows and forbids."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3
from django.contrib.auth.models import Group

from tests.api import calls
from tests.config.builders import make_token
from tests.orders.builders import make_stock
from tests.payments.builders import Api
from tests.processes import web_server
from tests.sandbox import Sandbox

SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")
COUNTED: Final = re.compile(r'paydesk_http_requests_total\{method="(\w+)",route="v1/([^"]+)",status="(\d+)"\}')
NEVER_DONE: Final = {("POST", "webhooks/<str:gateway>")}
"""Its credential is a signature, which nobody makes up."""

EXCLUDED: Final = (
    "positive_data_acceptance",  # the document does not say which items are sold, nor which orders can be paid
    "object_level_authorization",  # wants the tokens of two clients: test_rights has them
)
REFUSED: Final = ["400", "401", "403", "404", "405", "406", "409", "410", "415", "422", "428", "429", "5xx"]
"""What says that a request was not accepted: schemathesis' own list and 410, of what was deleted meanwhile."""
VALUES: Final[dict[str, list[Any]]] = {
    "body.lines[*].sku": ["TEE", "MUG"],
    "body.lines[*].unit_amount": [1, 2_500, 250_000],
    "body.payment_method": ["tok_visa", "tok_declined", "tok_3ds", "tok_avs_partial", "tok_country_DE"],
    "body.currency": ["USD", "JPY"],
    "body.customer.email": ["jo@example.com"],
    "body.billing.country": ["US", "DE"],
    "body.shipping.country": ["US", "DE"],
    "body.action": ["look_up", "pause", "compensate"],
    "body.epoch": [1],
    "path.gateway": ["sandbox"],
    "body.url": ["https://hooks.example.com/paydesk"],
}
"""What leads further than made-up values do: into checkouts, refunds, reviews and what people do about sagas."""
EACH: Final = 30
"""Open orders, and requests that wait for a second person: each is good for one success."""
ENDPOINTS: Final = 20
"""As many as leave room for those that are made by the requests."""


def make_history(api: Api) -> dict[str, list[Any]]:
    """Something of everything there is: paid, declined, waiting, refunded, under review; and the ids of it."""
    for method in ("tok_visa", "tok_declined", "tok_3ds", "tok_avs_partial", "tok_avs_partial", "tok_visa"):
        api.checkout(api.order(), method)
    api.order()
    charge = api.get("charges", status="captured").json()["results"][0]["id"]
    assert api.post(f"charges/{charge}/refunds", {"amount": 1, "reason": "Came back."}).status_code == 201
    calls.told_dispute(api)
    for _ in range(EACH):
        api.order()
        calls.awaiting_intervention(api)
        calls.own_request(api)
    calls.received_event(api)
    for _ in range(ENDPOINTS):
        calls.enabled_endpoint(api)
    lists = {
        "order_id": api.get("orders", status="open", page_size="100"),
        "charge_id": api.get("charges", status="captured"),
        "refund_id": api.get("refunds"),
        "dispute_id": api.get("disputes"),
        "saga_id": api.get("sagas", state="waiting", page_size="100"),
        "intervention_id": api.get("interventions", page_size="100"),
        "webhook_event_id": api.get("webhook-events"),
        "decision_id": api.get("fraud/decisions", decision="challenge", page_size="100"),
        "event_id": api.get("events"),
        "endpoint_id": api.get("webhook-endpoints", page_size="100"),
    }
    ids = {f"path.{name}": [row["id"] for row in found.json()["results"]] for name, found in lists.items()}
    return ids | {"path.delivery_id": [calls.waiting_delivery(api)]}


def configuration(values: dict[str, list[Any]]) -> str:
    """schemathesis.toml: a dictionary for each place, drawn from most of the time."""
    lines = ["[dictionaries]", *(f'"{place}" = {{values = {json.dumps(known)}}}' for place, known in values.items())]
    lines += ["[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(REFUSED)}"]
    lines += ["[parameters]", *(f'"{place}" = {{dictionary = "{place}", probability = 0.9}}' for place in values)]
    return "\n".join(lines)


def answered(url: str) -> dict[tuple[str, str], set[int]]:
    """The statuses that each operation has answered with, as the server has counted them."""
    found = defaultdict(set)
    for method, route, status in COUNTED.findall(urllib3.request("GET", f"{url}/metrics").data.decode()):
        found[method, route].add(int(status))
    return found


def test_the_document_is_true(
    served: dict[str, str], sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    api = Api()
    api.user.groups.add(Group.objects.get(name="Operator"))
    for sku in ("TEE", "MUG"):
        make_stock(sku, available=10_000)
    (tmp_path / "schemathesis.toml").write_text(configuration(VALUES | make_history(api)))
    seed = pytestconfig.getoption("--schema-seed")
    examples = pytestconfig.getoption("--schema-examples")
    options = ["--seed", str(seed), "--max-examples", str(examples), "--exclude-checks", ",".join(EXCLUDED)]
    options += ["--continue-on-failure", "--generation-database", "none", "--request-timeout", "20", "--no-color"]

    with web_server(served) as url:
        ran = subprocess.run(
            [
                SCHEMATHESIS,
                "run",
                f"{url}/v1/openapi.json",
                "-H",
                f"Authorization: Bearer {make_token(api.user)}",
                *options,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        statuses = answered(url)

    assert ran.returncode == 0, f"--schema-seed {seed} --schema-examples {examples}\n{ran.stdout}\n{ran.stderr}"
    operations = {operation for operation, found in statuses.items() if found - {404, 405}} - NEVER_DONE
    assert [operation for operation in operations if not statuses[operation] & {200, 201, 202}] == []
