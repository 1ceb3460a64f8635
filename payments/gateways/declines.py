"""A declined card, in the words that every gateway's own are translated to."""

from payments.errors import AuthenticationRequiredError, CardDeclinedError, ExpiredCardError, InsufficientFundsError

DECLINES: dict[str, type[CardDeclinedError]] = {
    "insufficient_funds": InsufficientFundsError,
    "expired_card": ExpiredCardError,
    "authentication_failed": AuthenticationRequiredError,
}
"""The decline codes that tell a client what to do. Any other is kept as the gateway words it."""


def decline(decline_code: str, message: str = "", **facts: object) -> CardDeclinedError:
    """The error for a decline code, the card network's own words kept beside it."""
    return DECLINES.get(decline_code, CardDeclinedError)(message, decline_code=decline_code, **facts)
