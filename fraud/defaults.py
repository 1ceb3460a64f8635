"""The rules a new installation starts with."""

from typing import Any

from fraud.engine import Mode
from fraud.facts import ListKind, Ruling

LIVE = Mode.LIVE.value
ALL_KINDS = [kind.value for kind in ListKind]

DEFAULT_RULES: dict[str, dict[str, Any]] = {
    "blocklist": {"kinds": ALL_KINDS},
    "velocity": {"limit": 5, "window_seconds": 3600, "decision": Ruling.BLOCK.value},
    "high_amount": {"thresholds": {"USD": 2_000_00}, "decision": Ruling.CHALLENGE.value},
    "avs_cvv": {"on_mismatch": Ruling.BLOCK.value, "on_partial": Ruling.CHALLENGE.value},
    "country_mismatch": {"decision": Ruling.CHALLENGE.value},
    "watch_list": {"kinds": ALL_KINDS, "score": 60},
}
"""Parameters by kind, in the order the rules are asked; amounts in minor units."""


def install_default_ruleset(ruleset_model: Any, rule_model: Any) -> None:
    """Activate the default rules as version 1 unless there is any ruleset at all.

    The models are those of the moment: a migration's own, or today's.
    """
    if ruleset_model.objects.exists():
        return
    ruleset = ruleset_model.objects.create(version=1, is_active=True, review_score=50, note="The default rules.")
    rule_model.objects.bulk_create(
        rule_model(ruleset=ruleset, position=position, name=kind, kind=kind, parameters=parameters, mode=LIVE)
        for position, (kind, parameters) in enumerate(DEFAULT_RULES.items())
    )
