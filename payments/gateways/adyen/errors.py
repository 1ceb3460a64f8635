"""What Adyen's refusals mean here: may money have moved, and what may be done next."""

from typing import Any, Final

from payments.errors import (
    CardDeclinedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InvalidRequestError,
    PaymentError,
)
from payments.gateways.declines import decline
from payments.gateways.http import Reply

REFUSED: Final = "refused"
"""What is told of a refusal that gives no reason, or none that may be believed."""

REASONS: Final[dict[str, str]] = {
    "2": REFUSED,
    "3": "referral",
    "4": "acquirer_error",
    "5": "blocked_card",
    "6": "expired_card",
    "7": "invalid_amount",
    "8": "invalid_card_number",
    "9": "issuer_unavailable",
    "10": "not_supported",
    "11": "authentication_failed",  # 3D Not Authenticated
    "12": "insufficient_funds",
    "14": "acquirer_fraud",
    "15": "cancelled",
    "16": "shopper_cancelled",
    "17": "invalid_pin",
    "18": "pin_tries_exceeded",
    "19": "pin_validation_not_possible",
    "20": "fraud",
    "21": "not_submitted",
    "22": "fraud_cancelled",
    "23": "transaction_not_permitted",
    "24": "cvc_declined",
    "25": "restricted_card",
    "26": "revocation_of_auth",
    "27": "declined_non_generic",
    "28": "withdrawal_amount_exceeded",
    "29": "withdrawal_count_exceeded",
    "31": "issuer_suspected_fraud",
    "32": "avs_declined",
    "33": "card_requires_online_pin",
    "34": "no_checking_account_available",
    "35": "no_savings_account_available",
    "36": "mobile_pin_required",
    "37": "contactless_fallback",
    "38": "authentication_failed",  # Authentication required
    "39": "authentication_failed",  # RReq not received from DS
    "40": "current_aid_in_penalty_box",
    "41": "cvm_required_restart_payment",
    "42": "authentication_failed",  # 3DS Authentication Error
    "46": "blocked_to_prevent_retry_fees",
}
"""`refusalReasonCode`, in our word where there is one, else in Adyen's.

Source: https://docs.adyen.com/development-resources/refusal-reasons
"""

_IN_PROGRESS: Final = "704"
"""The request under this idempotency key is being carried out, or has been."""
_NOT_ALLOWED: Final = (401, 403)
_REFUSING: Final = (400, 404, 422)


def refusal(answer: dict[str, Any]) -> CardDeclinedError:
    """A payment that was not authorized, and never will be."""
    code = REASONS.get(str(answer.get("refusalReasonCode") or ""), REFUSED)
    return decline(code, reference=str(answer.get("pspReference") or ""))


def translated(reply: Reply) -> PaymentError:
    """The error to raise for an answer that is an error. What came back as 429, 5xx or garbage has not got this far.

    Source: https://docs.adyen.com/development-resources/response-handling and, for what says nothing about whether the
    request was carried out, https://docs.adyen.com/development-resources/api-idempotency
    """
    code, message = str(reply.answer.get("errorCode") or ""), str(reply.answer.get("message") or "")
    if reply.status in _NOT_ALLOWED:
        # Of ours, not of the card: nothing happens until somebody has seen to the account or its keys.
        return GatewayUnavailableError(message, gateway_code=code)
    is_transient = reply.headers.get("transient-error") == "true"
    if is_transient or code == _IN_PROGRESS or reply.status not in _REFUSING:
        return GatewayTimeoutError(message)
    return InvalidRequestError(message, gateway_code=code)
