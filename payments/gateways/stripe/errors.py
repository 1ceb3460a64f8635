"""What each of Stripe's error codes and decline codes means here: may money have moved, and what may be done next.

Source: https://docs.stripe.com/error-codes and https://docs.stripe.com/declines/codes; the list of error codes is that
of the SDK's `PaymentIntent.LastPaymentError.code`.
"""

from typing import Any, Final

import stripe

from payments.errors import (
    AuthenticationRequiredError,
    AuthorizationExpiredError,
    CardDeclinedError,
    ExpiredCardError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InsufficientFundsError,
    InvalidRequestError,
    OperationRefusedError,
    PaymentError,
    RateLimitedError,
    UnexpectedOutcomeError,
)
from payments.gateways.declines import decline

_TABLE: Final[dict[type[PaymentError], str]] = {
    InsufficientFundsError: "insufficient_funds",
    ExpiredCardError: "expired_card invalid_expiry_month invalid_expiry_year",
    AuthenticationRequiredError: """
        authentication_required authentication_not_handled payment_intent_authentication_failure
        setup_intent_authentication_failure mobile_device_authentication_required offline_pin_required
        online_or_offline_pin_required payment_intent_action_required invoice_payment_intent_requires_action
        three_d_secure_authentication_not_supported three_d_secure_authentication_upstream_error
    """,
    CardDeclinedError: """
        account_closed approve_with_id call_issuer card_decline_rate_limit_exceeded card_declined card_not_supported
        card_velocity_exceeded currency_not_supported debit_not_authorized do_not_honor do_not_try_again
        duplicate_transaction expired_payment_method fraudulent generic_decline incorrect_address incorrect_cvc
        incorrect_number incorrect_pin incorrect_postal_code incorrect_zip invalid_account invalid_amount
        invalid_card_type invalid_cvc invalid_number invalid_pin issuer_not_available lost_card merchant_blacklist
        new_account_information_available no_account no_action_taken not_permitted out_of_inventory
        payment_intent_konbini_rejected_confirmation_number payment_intent_payment_attempt_expired
        payment_intent_payment_attempt_failed payment_method_bank_account_blocked payment_method_customer_decline
        payment_method_not_available payment_method_provider_decline payment_method_restricted pickup_card
        pin_try_exceeded processing_error reenter_transaction refer_to_customer request_blocked restricted_card
        revocation_of_all_authorizations revocation_of_authorization security_violation service_not_allowed
        setup_attempt_failed setup_intent_setup_attempt_expired stolen_card stop_payment_order testmode_decline
        transaction_not_allowed try_again_later withdrawal_count_limit_exceeded
    """,
    AuthorizationExpiredError: "capture_charge_authorization_expired charge_expired_for_capture",
    OperationRefusedError: """
        action_blocked anomalous_money_movement_request approval_required balance_insufficient capability_not_active
        capture_unauthorized_payment charge_already_refunded charge_disputed charge_exceeds_source_limit
        charge_exceeds_transaction_limit charge_not_refundable refund_disputed_payment return_intent_already_processed
    """,
    # The object is not where it was thought to be, or somebody is at it: only looking it up says what happened.
    GatewayTimeoutError: """
        charge_already_captured idempotency_key_in_use intent_invalid_state payment_intent_unexpected_state
        payment_method_provider_timeout payment_method_unexpected_state setup_intent_unexpected_state
        status_transition_invalid terminal_reader_timeout forwarding_api_upstream_connection_timeout
    """,
    RateLimitedError: "lock_timeout payment_intent_rate_limit_exceeded rate_limit",
    # Of ours, not of the card: nothing happens until somebody has seen to the account or its keys.
    GatewayUnavailableError: """
        api_key_expired authentication_failure livemode_mismatch not_allowed_on_standard_account
        platform_account_required platform_api_key_expired secret_key_required testmode_charges_only
        tls_version_unsupported
    """,
    InvalidRequestError: """
        account_country_invalid_address account_error_country_change_requires_additional_steps
        account_information_mismatch account_invalid account_number_invalid account_token_required_for_v2_account
        acss_debit_session_incomplete alipay_upgrade_required amount_too_large amount_too_small
        application_fees_not_allowed balance_invalid_parameter bank_account_bad_routing_numbers bank_account_declined
        bank_account_exists bank_account_restricted bank_account_unusable bank_account_unverified
        bank_account_verification_failed billing_invalid_mandate bitcoin_upgrade_required
        cardholder_phone_number_required charge_invalid_parameter clearing_code_unsupported
        country_code_invalid country_unsupported coupon_expired
        customer_max_payment_methods customer_max_subscriptions customer_session_expired
        customer_tax_location_invalid dispute_evidence_page_limit_exceeded email_invalid failed_tax_calculation
        financial_account_balance_does_not_support_currency financial_account_capability_not_enabled
        financial_account_capability_restricted financial_connections_account_inactive
        financial_connections_account_pending_account_numbers
        financial_connections_account_unavailable_account_numbers financial_connections_consent_locale_invalid
        financial_connections_consent_locale_unsupported
        financial_connections_no_successful_transaction_refresh forwarding_api_inactive forwarding_api_invalid_parameter
        forwarding_api_retryable_upstream_error forwarding_api_upstream_connection_error forwarding_api_upstream_error
        india_recurring_payment_mandate_canceled instant_payouts_config_disabled instant_payouts_currency_disabled
        instant_payouts_limit_exceeded instant_payouts_unsupported intent_verification_method_missing
        invalid_canceled_subscription_fields invalid_characters invalid_charge_amount
        invalid_mandate_reference_prefix_format invalid_source_usage invalid_tax_location
        invoice_no_customer_line_items invoice_no_payment_method_types invoice_no_subscription_line_items
        invoice_not_editable invoice_on_behalf_of_not_editable invoice_upcoming_none missing
        ownership_declaration_not_allowed parameter_invalid_empty parameter_invalid_integer
        parameter_invalid_string_blank parameter_invalid_string_empty parameter_missing parameter_unknown
        parameters_exclusive payment_evaluation_on_api_version_not_supported
        payment_intent_incompatible_payment_method payment_intent_invalid_parameter payment_intent_mandate_invalid
        payment_method_bank_account_already_verified payment_method_billing_details_address_missing
        payment_method_configuration_failures payment_method_currency_mismatch payment_method_invalid_parameter
        payment_method_invalid_parameter_testmode payment_method_microdeposit_failed
        payment_method_microdeposit_processing_error payment_method_microdeposit_verification_amounts_invalid
        payment_method_microdeposit_verification_amounts_mismatch
        payment_method_microdeposit_verification_attempts_exceeded
        payment_method_microdeposit_verification_descriptor_code_mismatch
        payment_method_microdeposit_verification_timeout payment_method_unactivated payment_method_unsupported_type
        payout_reconciliation_not_ready payouts_limit_exceeded payouts_not_allowed postal_code_invalid product_inactive
        progressive_onboarding_limit_exceeded resource_already_exists resource_missing routing_number_invalid
        sepa_unsupported_account service_period_coupon_with_metered_tiered_item_unsupported
        setup_intent_invalid_parameter setup_intent_mandate_invalid setup_intent_mobile_wallet_unsupported
        shipping_address_invalid shipping_calculation_failed siret_invalid sku_inactive smart_disputes_not_available
        state_unsupported storer_capability_missing storer_capability_not_active stripe_tax_inactive
        subscription_update_trial_after_billing_cycle_anchor tax_id_invalid tax_id_prohibited taxes_calculation_failed
        terminal_location_country_unsupported terminal_reader_busy terminal_reader_hardware_fault
        terminal_reader_invalid_location_for_activation terminal_reader_invalid_location_for_payment
        terminal_reader_offline token_already_used token_card_network_invalid token_in_use
        transfer_source_balance_parameters_mismatch transfers_not_allowed url_invalid
    """,
}

CODES: Final[dict[str, type[PaymentError]]] = {code: kind for kind, codes in _TABLE.items() for code in codes.split()}

_OURS: Final[dict[type[PaymentError], str]] = {
    InsufficientFundsError: "insufficient_funds",
    ExpiredCardError: "expired_card",
    AuthenticationRequiredError: "authentication_failed",
}


def decline_code(error: dict[str, Any]) -> str:
    """What a card error is called here: our own word where there is one, else Stripe's most exact."""
    exact = str(error.get("decline_code") or error.get("code") or "card_declined")
    kind = CODES.get(exact) or CODES.get(str(error.get("code")))
    return _OURS.get(kind, exact) if kind else exact


def translated(error: stripe.StripeError, *, reference: str = "") -> PaymentError:
    """The error to raise for one of the SDK's. What came back as 429, 5xx or garbage has not got this far."""
    details = _details(error)
    kind = _kind(error, str(details.get("code") or ""))
    message = str(details.get("message") or "")
    if issubclass(kind, CardDeclinedError):
        return decline(decline_code(details), message, reference=reference or str(details.get("charge") or ""))
    if kind is RateLimitedError:
        return RateLimitedError(message)
    return kind(message, gateway_code=str(details.get("code") or details.get("type") or ""))


def _kind(error: stripe.StripeError, code: str) -> type[PaymentError]:
    """By the code, unless the kind of answer says more: a card error is one whatever its code, and so on."""
    kind: type[PaymentError] | None = CODES.get(code)
    if isinstance(error, stripe.CardError):
        return kind if kind and issubclass(kind, CardDeclinedError) else CardDeclinedError
    if isinstance(error, stripe.IdempotencyError):  # one key, two requests: nobody meant that
        return UnexpectedOutcomeError
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return GatewayUnavailableError
    if isinstance(error, stripe.InvalidRequestError):
        return _without_card(kind) or InvalidRequestError
    return GatewayTimeoutError  # 409 and whatever else Stripe may think of: it says nothing


def _without_card(kind: type[PaymentError] | None) -> type[PaymentError] | None:
    """Only a card error is a decline."""
    return InvalidRequestError if kind and issubclass(kind, CardDeclinedError) else kind


def _details(error: stripe.StripeError) -> dict[str, Any]:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    details = body.get("error")
    return details if isinstance(details, dict) else {}
