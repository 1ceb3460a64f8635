"""Standard Webhooks' scheme, beside the library of that name: each believes what the other signs, and nothing else."""

import time
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from payments.errors import WebhookReplayError, WebhookSignatureError
from payments.outbound import signing
from payments.webhooks import standard_signatures

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
bodies = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(), max_size=4)


def by_the_library(body: str, *, secret: str = SECRET, message_id: str = "msg_1", age: int = 0) -> dict[str, str]:
    at = int(time.time()) - age
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body)
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}


def verify(headers: dict[str, str], body: str, *secrets: str) -> None:
    standard_signatures.verify(headers, body.encode(), secrets=secrets or [SECRET], now=datetime.now(UTC))


@given(bodies.map(str))
def test_what_the_library_signs_is_believed(body: str) -> None:
    verify(by_the_library(body), body)


@given(st.from_regex(r"msg_[a-z0-9]{1,20}", fullmatch=True))
def test_the_library_believes_what_is_signed_here(message_id: str) -> None:
    headers = signing.headers(SECRET, message_id=message_id, timestamp=int(time.time()), body=b'{"a": 1}')

    assert Webhook(SECRET).verify(b'{"a": 1}', headers) == {"a": 1}
    verify(headers, '{"a": 1}')


@pytest.mark.parametrize("sent", ['{"a": 2}', '{"a":1}', '{"a": 1', '{"a": 1} '])
def test_a_body_that_is_another_is_believed_by_neither(sent: str) -> None:
    headers = by_the_library('{"a": 1}')

    with pytest.raises(WebhookSignatureError):
        verify(headers, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(sent, headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_what_is_signed_with_a_body_cannot_be_left_out_or_changed(name: str) -> None:
    headers = by_the_library("{}")

    for changed in ({**headers, name: "1"}, {key: value for key, value in headers.items() if key != name}):
        with pytest.raises(WebhookSignatureError):
            verify(changed, "{}")


@pytest.mark.parametrize("age", [-310, 301])
def test_what_was_not_signed_just_now_is_a_replay(age: int) -> None:
    with pytest.raises(WebhookReplayError):
        verify(by_the_library("{}", age=age), "{}")


def test_any_of_several_signatures_and_secrets_will_do() -> None:
    headers = by_the_library("{}", secret=OTHER)
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"

    verify({name.title(): value for name, value in headers.items()}, "{}", SECRET, OTHER)
    with pytest.raises(WebhookSignatureError):
        verify(headers, "{}", SECRET)
