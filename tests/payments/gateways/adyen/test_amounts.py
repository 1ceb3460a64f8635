import pytest

from payments.errors import GatewayTimeoutError, InvalidRequestError
from payments.gateways.adyen.amounts import from_adyen, to_adyen


@pytest.mark.parametrize(
    ("minor", "currency", "at_adyen"),
    [
        (1999, "USD", 1999),
        (500, "JPY", 500),
        (12_345, "BHD", 12_345),
        (7, "CLP", 700),
        (7, "ISK", 700),
        (700, "CVE", 7),
        (1_500_000, "IDR", 15_000),
        (7, "IQD", 7000),
    ],
)
def test_an_amount_goes_there_and_comes_back(minor: int, currency: str, at_adyen: int) -> None:
    assert to_adyen(minor, currency) == {"value": at_adyen, "currency": currency}
    assert from_adyen(at_adyen, currency) == minor


@pytest.mark.parametrize(("minor", "currency"), [(750, "CVE"), (1_500_001, "IDR")])
def test_what_is_finer_than_adyen_counts_is_refused_before_it_is_sent(minor: int, currency: str) -> None:
    with pytest.raises(InvalidRequestError):
        to_adyen(minor, currency)


@pytest.mark.parametrize(("value", "currency"), [(750, "CLP"), (701, "ISK")])
def test_what_is_finer_than_the_currency_makes_no_sense(value: int, currency: str) -> None:
    with pytest.raises(GatewayTimeoutError):
        from_adyen(value, currency)
