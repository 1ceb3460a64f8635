"""What the gateway tells by itself is believed if the gateway signed it, and acted on once."""

import hmac
import json
import sqlite3
import time
from contextlib import closing
from typing import Final
from uuid import uuid4

import urllib3

from config.demo.registry import require_equal, scenario
from config.demo.shop import Answer, Json, Shop, eventually, said

SECRET: Final = "whsec_sandbox"  # noqa: S105  # the published default of a stack that nobody has configured
TEE: Final = 25_00
TOLD: Final = {"authorize": "charge.authorized", "capture": "charge.captured"}
"""The event that the sandbox sends about an operation."""


@scenario(5)
def signed_duplicate_and_tampered_webhooks(shop: Shop) -> list[str]:
    """A signed event is taken in, its duplicate changes nothing, a tampered one is refused."""
    order = shop.place_order()
    require_equal("the checkout's answer", said(shop.final_answer(order)), "201")
    event = _event_about(shop, order)
    body = json.dumps(event).encode()
    signature = _sign(body)
    tampered = json.dumps({**event, "id": f"evt_{uuid4().hex}"}).encode().replace(b"2500", b"9900")

    answers = [said(_deliver(shop, sent, signature)) for sent in (body, body, tampered)]

    wanted = ["200", "200", "400 webhook_signature_invalid"]
    require_equal("the answers to the event, its duplicate and the tampered one", answers, wanted)
    kinds = _require_each_applied_once(shop, order, str(event["id"]))
    require_equal("captured by the journal", shop.moved(order, "capture"), [TEE])
    require_equal("captured by the books", shop.charge(order)["amount_captured"], TEE)
    return [
        "200 for a signed event and for its duplicate, which is one event and was applied once",
        "400 for a tampered one, which is kept nowhere",
        f"the sandbox's own came too, each applied once: {', '.join(kinds)}; captured once",
    ]


def _event_about(shop: Shop, order: str) -> Json:
    """What the sandbox says of the order's capture, under a name that it has not used."""
    url = f"{shop.stack.sandbox_url}/v1/charges"
    charge = urllib3.request("GET", url, fields={"order": order}, retries=False, timeout=20.0).json()["charges"][0]
    capture = next(o for o in charge["operations"] if o["operation"] == "capture")
    data = {"charge": charge, "operation": capture}
    return {"id": f"evt_{uuid4().hex}", "type": TOLD["capture"], "created_at": capture["at"], "data": data}


def _sign(body: bytes) -> str:
    now = int(time.time())
    return f"t={now},v1={hmac.new(SECRET.encode(), f'{now}.'.encode() + body, 'sha256').hexdigest()}"


def _deliver(shop: Shop, body: bytes, signature: str) -> Answer:
    headers = {"Content-Type": "application/json", "Sandbox-Signature": signature}
    url = f"{shop.stack.url}/v1/webhooks/sandbox"
    return urllib3.request("POST", url, body=body, headers=headers, retries=False, timeout=20.0)


def _require_each_applied_once(shop: Shop, order: str, ours: str) -> list[str]:
    """Hold the inbox against the journal; return what kinds of events the sandbox sent by itself."""
    sent = [TOLD[name] for name in TOLD if shop.moved(order, name)]
    inbox = eventually(
        lambda: _inbox(shop, order),
        lambda rows: len(rows) > len(sent) and all(row["status"] != "received" for row in rows),
        otherwise="the events did not come, or were not acted on",
    )
    ends = [(row["status"], row["attempts"]) for row in inbox]
    require_equal("how the events ended, and after how many attempts", ends, [("processed", 1)] * len(inbox))
    require_equal("the rows of our event", [row["event_id"] for row in inbox].count(ours), 1)
    own = sorted(row["kind"] for row in inbox if row["event_id"] != ours)
    require_equal("the sandbox's own events", own, sorted(sent))
    return own


def _inbox(shop: Shop, order: str) -> list[Json]:
    """The events about an order, as they are stored: no client is shown them, so the database is asked."""
    question = "SELECT event_id, kind, status, attempts FROM payments_webhookevent WHERE body LIKE ?"
    with closing(sqlite3.connect(f"file:{shop.stack.database}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(question, (f"%{order}%",))]
