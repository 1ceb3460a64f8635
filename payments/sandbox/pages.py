"""The page on which the customer passes or fails a 3D Secure challenge."""

import base64
import hashlib
from decimal import Decimal
from html import escape

from babel.numbers import get_currency_precision

from payments.sandbox.messages import Answer
from payments.sandbox.records import Charge

STYLE = """
:root { color-scheme: light dark; --accent: #1a56db; --line: #d4d8e0; --paper: #fff; --ground: #f3f4f7; --ink: #1c2330;
  --soft: #556070; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --accent: #6ea0ff; --line: #3a4250; --paper: #1d222b; --ground: #12151b;
  --ink: #eef1f6; --soft: #a9b3c3; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; background: var(--paper); border: 1px solid var(--line); border-radius: .75rem;
  padding: 2rem; box-shadow: 0 .5rem 2rem rgb(0 0 0 / .08); }
.bank { margin: 0; color: var(--soft); font-size: .875rem; letter-spacing: .04em; text-transform: uppercase; }
h1 { margin: .25rem 0 1rem; font-size: 1.375rem; line-height: 1.25; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .375rem 1rem; margin: 1.25rem 0; padding: 1rem 0;
  border-block: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
dd.amount { font-weight: 600; }
form { margin: .75rem 0 0; }
button { width: 100%; padding: .75rem; border-radius: .5rem; border: 1px solid var(--accent); font: inherit;
  font-weight: 600; cursor: pointer; }
.approve { background: var(--accent); color: var(--paper); }
.fail { background: transparent; border-color: var(--bad); color: var(--bad); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.note { margin: 1.25rem 0 0; color: var(--soft); font-size: .875rem; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

# No form-action: browsers would apply it to the redirect back to the shop too.
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"

VERDICTS = {
    "authorized": "Payment approved",
    "captured": "Payment approved",
    "failed": "Payment not approved",
    "voided": "Payment cancelled",
}


def challenge_page(charge: Charge) -> Answer:
    """The question while it is open, afterwards what came of it."""
    if charge.status == "requires_action":
        return _page(200, "Confirm your payment", _question(charge))
    title = VERDICTS.get(charge.status, "Nothing to confirm")
    return _page(200, title, _facts(charge) + '<p class="note">You can close this page.</p>')


def missing_page() -> Answer:
    return _page(404, "Nothing to confirm", "<p>There is no such payment.</p>")


def garbage_page() -> bytes:
    """What the garbage fault answers instead of JSON."""
    return b"<!doctype html><html><body><h1>It works!</h1></body></html>"


def _question(charge: Charge) -> str:
    actions = "".join(
        f'<form method="post" action="/3ds/{escape(charge.id)}/{action}">'
        f'<button class="{action}" type="submit">{label}</button></form>'
        for action, label in (("approve", "Approve payment"), ("fail", "Fail authentication"))
    )
    note = '<p class="note">This is the sandbox: no bank is asked, and no money moves.</p>'
    return f"<p>Your bank wants to be sure that it is you.</p>{_facts(charge)}{actions}{note}"


def _facts(charge: Charge) -> str:
    amount = f"{Decimal(charge.amount).scaleb(-get_currency_precision(charge.currency)):,f}"
    card = f"{str(charge.card['brand']).title()} ending in {charge.card['last4']}"
    facts = (("Amount", f"{amount} {charge.currency}"), ("Card", card), ("Order", charge.order))
    rows = "".join(
        f"<dt>{name}</dt><dd{' class=amount' if name == 'Amount' else ''}>{escape(value)}</dd>" for name, value in facts
    )
    return f"<dl>{rows}</dl>"


def _page(status: int, title: str, content: str) -> Answer:
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · Sandbox bank</title><style>{STYLE}</style></head>"
        f'<body><main><p class="bank">Sandbox bank</p><h1>{title}</h1>{content}</main></body></html>'
    )
    headers = (("Content-Security-Policy", POLICY), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
    return Answer(status, document.encode(), "text/html; charset=utf-8", headers)
