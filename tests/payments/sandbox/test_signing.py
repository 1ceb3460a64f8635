import pytest
import stripe
from stripe import SignatureVerificationError, WebhookSignature

from payments.sandbox.signing import sign

BODY = '{"id":"evt_1","name":"Jürgen"}'


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_stripes_own_library_accepts_the_signature_with_each_secret(secret: str) -> None:
    header = sign(BODY.encode(), secrets=["whsec_old", "whsec_new"], timestamp=1_700_000_000)

    assert stripe.WebhookSignature.verify_header(BODY, header, secret, tolerance=None)


def test_a_changed_body_no_longer_fits_the_signature() -> None:
    header = sign(BODY.encode(), secrets=["whsec"], timestamp=1_700_000_000)

    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(BODY + " ", header, "whsec", tolerance=None)
