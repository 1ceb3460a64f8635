"""Adyen, through its Checkout API v71.

It answers an authorization at once, and everything after it by webhook only. It has no look-up: what was lost on the
way is learned by webhook, or not at all (docs/adr/0023).
"""
