"""Stripe's scheme, beside Stripe's own library: each believes what the other signs, and nothing else."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature

from payments.errors import WebhookReplayError, WebhookSignatureError
from payments.sandbox.signing import sign
from payments.webhooks import signatures

NOW: Final = int(time.time())
TOLERANCE: Final = int(signatures.TOLERANCE.total_seconds())
secrets = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
bodies = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200)


def we_believe(header: str, body: str, secret: str, *, now: int = NOW) -> bool:
    try:
        signatures.verify(header, body.encode(), secrets=[secret], now=datetime.fromtimestamp(now, UTC))
    except (WebhookSignatureError, WebhookReplayError):
        return False
    return True


def stripe_believes(header: str, body: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, header, secret, tolerance=None))
    except SignatureVerificationError:
        return False


def signed_by_stripe(body: str, secret: str, *, at: int = NOW) -> str:
    return f"t={at},v1={WebhookSignature._compute_signature(f'{at}.{body}', secret)}"


@given(bodies, secrets)
def test_what_stripes_library_signs_is_believed(body: str, secret: str) -> None:
    assert we_believe(signed_by_stripe(body, secret), body, secret)


@given(bodies, secrets)
def test_stripes_library_believes_what_is_signed_here(body: str, secret: str) -> None:
    assert stripe_believes(sign(body.encode(), secrets=[secret], timestamp=NOW), body, secret)


def _cut(body: str) -> str:
    return body[:-1]


def _reserialized(body: str) -> str:
    return body.replace(": ", ":")


def _changed(body: str) -> str:
    return body.replace("100", "900")


@pytest.mark.parametrize("change", [_cut, _reserialized, _changed, str.upper, lambda body: body + "\n"])
def test_a_body_that_is_another_is_believed_by_neither(change: Callable[[str], str]) -> None:
    body = '{"id": "evt_1", "amount": 100}'
    header = signed_by_stripe(body, "whsec_1")

    assert not we_believe(header, change(body), "whsec_1")
    assert not stripe_believes(header, change(body), "whsec_1")


@given(st.text(max_size=80))
def test_a_header_of_nobody_is_believed_by_nobody(header: str) -> None:
    assert not we_believe(header, "{}", "whsec_1")


@pytest.mark.parametrize(("age", "is_believed"), [(0, True), (TOLERANCE, True), (TOLERANCE + 1, False)])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_signature_is_good_for_five_minutes_before_and_after(age: int, is_believed: bool, direction: int) -> None:
    header = signed_by_stripe("{}", "whsec_1", at=NOW - direction * age)

    assert we_believe(header, "{}", "whsec_1") is is_believed


def test_any_of_several_signatures_and_secrets_will_do() -> None:
    """While a secret is replaced, both sides may have two."""
    good = signed_by_stripe("{}", "whsec_new")
    header = good.replace(",v1=", f",v1={'0' * 64},v1=")

    signatures.verify(header, b"{}", secrets=["whsec_old", "whsec_new"], now=datetime.fromtimestamp(NOW, UTC))
    assert stripe_believes(header, "{}", "whsec_new")


@pytest.mark.parametrize(
    "header", ["v1=00", "t=1,t=2,v1=00", "t=-1,v1=00", "t=1e3,v1=00", "t=٣,v1=00", "t=" + "1" * 13]
)
def test_a_header_without_one_plain_time_is_refused(header: str) -> None:
    with pytest.raises(WebhookSignatureError, match="no timestamp"):
        signatures.verify(header, b"{}", secrets=["whsec_1"], now=datetime.fromtimestamp(NOW, UTC))
