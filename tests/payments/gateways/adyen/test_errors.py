"""What an error of Adyen's says about the request: carried out, certainly not, or nobody knows."""

from typing import Any

import pytest

from payments.errors import GatewayTimeoutError, GatewayUnavailableError, InvalidRequestError, PaymentError
from payments.gateways.adyen.errors import translated
from payments.gateways.http import Reply


def reply(status: int, code: str = "", *, transient: str = "") -> Reply:
    answer: dict[str, Any] = {"status": status, "errorCode": code, "message": "No.", "errorType": "validation"}
    return Reply(status, b"", {"transient-error": transient} if transient else {}, answer)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reply(400), InvalidRequestError),
        (reply(404), InvalidRequestError),
        (reply(422, "130"), InvalidRequestError),
        (reply(422, "130", transient="false"), InvalidRequestError),
        (reply(401, "000"), GatewayUnavailableError),
        (reply(403, "901"), GatewayUnavailableError),
        (reply(422, "704"), GatewayTimeoutError),
        (reply(409, "704"), GatewayTimeoutError),
        (reply(422, "703", transient="true"), GatewayTimeoutError),
        (reply(408), GatewayTimeoutError),
        (reply(418), GatewayTimeoutError),
    ],
)
def test_an_error_is_a_definite_no_only_where_it_says_so(said: Reply, expected: type[PaymentError]) -> None:
    error = translated(said)

    assert type(error) is expected
    assert error.detail == "No."


def test_a_request_that_is_in_progress_keeps_its_key() -> None:
    error = translated(reply(422, "704"))

    assert isinstance(error, GatewayTimeoutError)
    assert not error.is_answered
