"""Stripe, through its official SDK.

`intents` is the gateway `stripe`: PaymentIntents, authorized in two calls. `charges` is the gateway `stripe_charges`:
the older Charges API, for the tokens of accounts that still use it.
"""
