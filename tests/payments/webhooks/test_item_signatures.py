"""Adyen's signature scheme, held against Adyen's own library in both directions."""

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest
from Adyen.util import generate_notification_sig, is_valid_hmac_notification

from payments.errors import WebhookSignatureError
from payments.webhooks import item_signatures
from payments.webhooks.item_signatures import Item

SECRET = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ACCOUNT = "ExampleShopECOM"


def item(**fields: Any) -> dict[str, Any]:
    """As the documents of Adyen show one; a field that is None is left out."""
    basics = {
        "amount": {"currency": "EUR", "value": 1000},
        "eventCode": "CAPTURE",
        "eventDate": "2021-01-01T01:00:00+01:00",
        "merchantAccountCode": ACCOUNT,
        "merchantReference": "saga_1:capture_payment:do:0",
        "originalReference": "9913140798220028",
        "pspReference": "QFQTPCQ8HXSKGK82",
        "reason": "",
        "success": "true",
    }
    return {name: value for name, value in {**basics, **fields}.items() if value is not None}


def signed(thing: dict[str, Any], *, secret: str = SECRET) -> dict[str, Any]:
    """By Adyen's library."""
    signature = generate_notification_sig(thing, secret).decode()
    return {**thing, "additionalData": {"hmacSignature": signature, "expiryDate": "12/2090"}}


def body(*things: dict[str, Any]) -> bytes:
    wrapped = [{"NotificationRequestItem": each} for each in things]
    return json.dumps({"live": "false", "notificationItems": wrapped}).encode()


def verify(text: bytes, *secrets: str, account: str = ACCOUNT) -> None:
    item_signatures.verify(text, secrets=secrets or [SECRET], merchant_account=account)


ITEMS = [
    item(),
    item(originalReference=None),
    item(originalReference="", success="false"),
    item(merchantReference=None),
    item(merchantReference="größe\\:10"),
    item(amount={"currency": "JPY", "value": 0}),
    item(amount={"currency": "EUR", "value": -5}),
    item(pspReference="settlement_detail_report_batch_1.csv", eventCode="REPORT_AVAILABLE"),
]


@pytest.mark.parametrize("thing", ITEMS)
def test_what_adyens_library_has_signed_is_believed(thing: dict[str, Any]) -> None:
    verify(body(signed(thing)))


@pytest.mark.parametrize("thing", ITEMS)
def test_what_is_signed_here_is_believed_by_adyens_library(thing: dict[str, Any]) -> None:
    unsigned = {**thing, "additionalData": {"hmacSignature": "none"}}
    text = item_signatures.parse_item(body(unsigned)).signed_text
    signature = b64encode(hmac.digest(item_signatures.key_of(SECRET), text, "sha256")).decode()

    assert is_valid_hmac_notification({**thing, "additionalData": {"hmacSignature": signature}}, SECRET)


def test_what_is_written_otherwise_and_says_the_same_is_believed() -> None:
    text = json.dumps(json.loads(body(signed(item()))), indent=4, sort_keys=True)

    verify(text.encode())


def test_any_of_several_secrets_is_good() -> None:
    verify(body(signed(item(), secret="AB" * 32)), SECRET, "ab" * 32)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": {"currency": "EUR", "value": 1001}},
        {"amount": {"currency": "USD", "value": 1000}},
        {"eventCode": "REFUND"},
        {"merchantReference": "saga_2:capture_payment:do:0"},
        {"originalReference": "9913140798220029"},
        {"pspReference": "QFQTPCQ8HXSKGK83"},
        {"success": "false"},
        {"merchantAccountCode": "AnotherShopECOM"},
    ],
)
def test_a_signed_field_that_was_changed_is_not_believed(changed: dict[str, Any]) -> None:
    with pytest.raises(WebhookSignatureError):
        verify(body({**signed(item()), **changed}), account=changed.get("merchantAccountCode", ACCOUNT))


@pytest.mark.parametrize(
    "moved",
    [
        {"originalReference": "9913140798220028:ExampleShopECOM", "merchantAccountCode": "saga_1"},
        {"merchantReference": "saga_1:capture_payment", "amount": {"value": 0, "currency": "1000"}},
        {"amount": {"value": 1000, "currency": "EUR:CAPTURE"}, "eventCode": "true", "success": ""},
        {"pspReference": "QFQTPCQ8HXSKGK82:9913140798220028", "originalReference": ""},
    ],
)
def test_the_same_text_cut_into_other_fields_is_not_believed(moved: dict[str, Any]) -> None:
    with pytest.raises(WebhookSignatureError):
        verify(body({**signed(item()), **moved}), account=moved.get("merchantAccountCode", ACCOUNT))


@pytest.mark.parametrize("signature", ["", "none", "ü", "\ud800", None, 5])
def test_a_signature_that_is_none_is_not_believed(signature: Any) -> None:
    with pytest.raises(WebhookSignatureError):
        verify(body({**item(), "additionalData": {"hmacSignature": signature}}))


def test_a_signature_of_which_something_is_missing_is_not_believed() -> None:
    thing = signed(item())
    thing["additionalData"]["hmacSignature"] = thing["additionalData"]["hmacSignature"][:-2]

    with pytest.raises(WebhookSignatureError):
        verify(body(thing))


def test_nobody_elses_secret_is_good_and_no_secret_neither() -> None:
    with pytest.raises(WebhookSignatureError):
        verify(body(signed(item(), secret="00" * 32)))
    with pytest.raises(WebhookSignatureError):
        item_signatures.verify(body(signed(item())), secrets=[], merchant_account=ACCOUNT)


def test_another_merchant_accounts_event_is_not_ours_whoever_signed_it() -> None:
    with pytest.raises(WebhookSignatureError, match="another merchant account"):
        verify(body(signed(item(merchantAccountCode="AnotherShopECOM"))))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        body(),
        body(signed(item()), signed(item())),
        b'{"notificationItems": [{}]}',
        b'{"notificationItems": {"0": 1}}',
        body(item()),
        body(signed(item(amount={"currency": "EUR", "value": "1000"}))),
        body(signed(item(amount={"currency": "EUR", "value": True}))),
        body(signed(item(amount={"currency": "EUR", "value": 10.0}))),
        body(signed(item(success=True))),
        body(signed(item(success="True"))),
        body(signed(item(pspReference=""))),
        body(signed(item(pspReference="P" * 81))),
        body(signed(item(pspReference="P\x00"))),
        body(signed(item(merchantReference="a\x00"))),
        body({**item(), "merchantReference": "\ud800", "additionalData": {"hmacSignature": "none"}}),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_not_one_event_is_refused(text: bytes) -> None:
    with pytest.raises(WebhookSignatureError):
        item_signatures.parse_item(text)
    with pytest.raises(WebhookSignatureError):
        verify(text)


def test_only_what_is_signed_is_given_away() -> None:
    assert item_signatures.parse_item(body(signed(item(reason="forged")))) == Item(
        psp_reference="QFQTPCQ8HXSKGK82",
        original_reference="9913140798220028",
        merchant_account=ACCOUNT,
        merchant_reference="saga_1:capture_payment:do:0",
        value=1000,
        currency="EUR",
        event_code="CAPTURE",
        success="true",
    )


def test_an_event_is_known_by_what_is_signed() -> None:
    first, repeated = (item_signatures.parse_item(body(signed(item(eventDate=date)))) for date in ("2021", "2022"))

    assert first.event_id == repeated.event_id == "QFQTPCQ8HXSKGK82:CAPTURE:true"


@pytest.mark.parametrize("secret", ["", "whsec_x", "abc"])
def test_a_secret_is_hexadecimal(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        item_signatures.key_of(secret)
