"""Against the example of the specification, and a receiver's arithmetic written out by hand."""

import base64
import hashlib
import hmac

import pytest

from payments.outbound import signing

EXAMPLE = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
}
"""From https://github.com/standard-webhooks/standard-webhooks, and its libraries' tests."""


def test_the_specifications_example_is_signed_as_it_says() -> None:
    headers = signing.headers(**EXAMPLE)  # type: ignore[arg-type]

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_comes_to_the_same_signature() -> None:
    key = bytes(range(32))
    secret = f"whsec_{base64.b64encode(key).decode()}"

    headers = signing.headers(secret, message_id="msg_1", timestamp=17, body=b"{}")

    expected = base64.b64encode(hmac.new(key, b"msg_1.17.{}", hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=",
     f"whsec_{base64.b64encode(bytes(65)).decode()}", "whsec_not base64 at all, whatever it is"],
)  # fmt: skip
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        signing.key_of(secret)
