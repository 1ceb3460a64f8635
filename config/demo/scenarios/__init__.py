"""The scenarios, each in the registry by its number. Every one of them leaves the LAST-ONE on the shelf."""

from config.demo.registry import SCENARIOS
from config.demo.scenarios import challenge, compensation, crash, one_charge, redaction, resolving, review, webhooks

__all__ = [
    "SCENARIOS", "challenge", "compensation", "crash", "one_charge", "redaction", "resolving", "review", "webhooks",
]  # fmt: skip
