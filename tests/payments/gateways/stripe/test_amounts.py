import pytest

from payments.errors import GatewayTimeoutError, InvalidRequestError
from payments.gateways.stripe.amounts import from_stripe, to_stripe


@pytest.mark.parametrize(
    ("minor", "currency", "at_stripe"),
    [
        (1999, "USD", 1999),
        (500, "JPY", 500),
        (12_340, "BHD", 12_340),
        (7, "ISK", 700),
        (7, "UGX", 700),
    ],
)
def test_an_amount_goes_there_and_comes_back(minor: int, currency: str, at_stripe: int) -> None:
    assert to_stripe(minor, currency) == at_stripe
    assert from_stripe(at_stripe, currency) == minor


def test_a_dinar_is_not_told_to_the_last_thousandth() -> None:
    with pytest.raises(InvalidRequestError):
        to_stripe(12_345, "BHD")


def test_what_is_finer_than_the_currency_makes_no_sense() -> None:
    with pytest.raises(GatewayTimeoutError):
        from_stripe(750, "ISK")
