from collections.abc import Mapping
from typing import Any

import pytest

from fraud.defaults import DEFAULT_RULES
from fraud.facts import Listing, ListKind, ListName, Ruling, Verdict
from fraud.rules import KINDS, MAX_WINDOW_SECONDS, InvalidParameters
from tests.fraud.builders import make_context


def judge(kind: str, parameters: Mapping[str, Any] | None = None, **facts: Any) -> Verdict | None:
    """What one rule says, with the default rules' parameters unless others are given."""
    known = KINDS[kind]
    verdict: Verdict | None = known.judge(make_context(**facts), known.parse(parameters or DEFAULT_RULES[kind]))
    return verdict


def decision_of(kind: str, parameters: Mapping[str, Any] | None = None, **facts: Any) -> Ruling | None:
    verdict = judge(kind, parameters, **facts)
    return verdict.decision if verdict else None


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_says_nothing_when_nothing_is_known(kind: str) -> None:
    assert judge(kind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_rule_is_among_the_default_rules(kind: str) -> None:
    assert KINDS[kind].parse(DEFAULT_RULES[kind])


class TestVelocity:
    @pytest.mark.parametrize(
        ("attempts", "decision"), [(1, None), (4, None), (5, None), (6, Ruling.BLOCK), (7, Ruling.BLOCK)]
    )
    def test_the_sixth_attempt_within_the_hour_blocks(self, attempts: int, decision: Ruling | None) -> None:
        assert decision_of("velocity", velocity={"customer_attempts_3600s": attempts}) == decision

    def test_a_count_over_another_window_says_nothing(self) -> None:
        assert decision_of("velocity", velocity={"customer_attempts_60s": 100}) is None

    def test_the_reason_says_what_was_counted(self) -> None:
        verdict = judge("velocity", velocity={"customer_attempts_3600s": 6})

        assert verdict
        assert verdict.reason == "6 checkout attempts of this customer within 60 minutes; the limit is 5."

    def test_a_window_of_odd_seconds_is_told_in_seconds(self) -> None:
        parameters = {"limit": 1, "window_seconds": 90, "decision": "challenge"}
        verdict = judge("velocity", parameters, velocity={"customer_attempts_90s": 2})

        assert verdict
        assert verdict.decision is Ruling.CHALLENGE
        assert "within 90 seconds" in verdict.reason


class TestHighAmount:
    @pytest.mark.parametrize(
        ("amount", "decision"),
        [(1, None), (1_999_99, None), (2_000_00, Ruling.CHALLENGE), (2**63 - 1, Ruling.CHALLENGE)],
    )
    def test_two_thousand_dollars_and_above_challenge(self, amount: int, decision: Ruling | None) -> None:
        assert decision_of("high_amount", amount_minor=amount, currency="USD") == decision

    def test_a_currency_without_a_threshold_has_no_limit(self) -> None:
        assert decision_of("high_amount", amount_minor=2**63 - 1, currency="JPY") is None

    @pytest.mark.parametrize("facts", [{"amount_minor": 2_000_00}, {"currency": "USD"}])
    def test_an_amount_needs_its_currency(self, facts: dict[str, Any]) -> None:
        assert decision_of("high_amount", **facts) is None

    def test_the_reason_names_both_amounts_in_major_units(self) -> None:
        verdict = judge("high_amount", amount_minor=2_500_00, currency="USD")

        assert verdict
        assert verdict.reason == "2,500.00 USD reaches the limit of 2,000.00 USD."


class TestCountryMismatch:
    @pytest.mark.parametrize(
        ("card", "billing", "decision"),
        [
            ("US", "US", None),
            ("us", "US ", None),
            ("FR", "US", Ruling.CHALLENGE),
            (None, "US", None),
            ("FR", None, None),
            ("", "US", None),
            ("FR", "", None),
        ],
    )
    def test_a_card_from_another_country_challenges(
        self, card: str | None, billing: str | None, decision: Ruling | None
    ) -> None:
        assert decision_of("country_mismatch", card_country=card, billing_country=billing) == decision


class TestAvsCvv:
    @pytest.mark.parametrize(
        ("avs", "cvv", "decision"),
        [
            ("match", "match", None),
            ("mismatch", "match", Ruling.BLOCK),
            ("match", "mismatch", Ruling.BLOCK),
            ("mismatch", "mismatch", Ruling.BLOCK),
            ("partial", "match", Ruling.CHALLENGE),
            ("partial", None, Ruling.CHALLENGE),
            ("partial", "mismatch", Ruling.BLOCK),
            ("not_checked", "not_checked", None),
            ("", "", None),
            (None, None, None),
            (None, "mismatch", Ruling.BLOCK),
        ],
    )
    def test_a_mismatch_blocks_and_a_part_challenges(
        self, avs: str | None, cvv: str | None, decision: Ruling | None
    ) -> None:
        assert decision_of("avs_cvv", avs_result=avs, cvv_result=cvv) == decision

    def test_the_reason_names_what_did_not_match(self) -> None:
        verdict = judge("avs_cvv", avs_result="mismatch", cvv_result="mismatch")

        assert verdict
        assert verdict.reason == "The address (AVS) does not match. The security code (CVV) does not match."


class TestLists:
    def test_a_listed_address_blocks(self) -> None:
        verdict = judge("blocklist", listed=(Listing(ListName.BLOCK, ListKind.EMAIL),))

        assert verdict == Verdict("blocklist", Ruling.BLOCK, "On the blocklist: the e-mail address.")

    def test_a_watched_address_scores(self) -> None:
        verdict = judge("watch_list", listed=(Listing(ListName.WATCH, ListKind.EMAIL),))

        assert verdict == Verdict("watch_list", Ruling.REVIEW, "On the watch list: the e-mail address.", score=60)

    def test_lists_do_not_stand_in_for_each_other(self) -> None:
        assert judge("blocklist", listed=(Listing(ListName.WATCH, ListKind.EMAIL),)) is None
        assert judge("watch_list", listed=(Listing(ListName.BLOCK, ListKind.EMAIL),)) is None

    def test_only_the_kinds_asked_for_count(self) -> None:
        assert judge("blocklist", {"kinds": ["card"]}, listed=(Listing(ListName.BLOCK, ListKind.EMAIL),)) is None


class TestParameters:
    @pytest.mark.parametrize(
        ("kind", "parameters", "fault"),
        [
            ("velocity", {"limit": 5, "window_seconds": 3600}, "decision: missing"),
            ("velocity", {"limit": 0, "window_seconds": 3600, "decision": "block"}, "limit: must be an integer"),
            ("velocity", {"limit": True, "window_seconds": 3600, "decision": "block"}, "limit: must be an integer"),
            ("velocity", {"limit": 5.0, "window_seconds": 3600, "decision": "block"}, "limit: must be an integer"),
            ("velocity", {"limit": 5, "window_seconds": MAX_WINDOW_SECONDS + 1, "decision": "block"}, "window_seconds"),
            ("velocity", {"limit": 5, "window_seconds": 60, "decision": "review"}, "must be challenge or block"),
            ("country_mismatch", {"decision": "block", "colour": 1}, "colour: unknown"),
            ("country_mismatch", [], "must be an object"),
            ("country_mismatch", {"decision": []}, "must be challenge or block"),
            ("high_amount", {"thresholds": {}, "decision": "block"}, "thresholds"),
            ("high_amount", {"thresholds": {"ZZZ": 1}, "decision": "block"}, "thresholds"),
            ("high_amount", {"thresholds": {"USD": "1"}, "decision": "block"}, "thresholds"),
            ("high_amount", {"thresholds": 5, "decision": "block"}, "thresholds"),
            ("blocklist", {"kinds": []}, "kinds"),
            ("blocklist", {"kinds": ["shoe"]}, "kinds"),
            ("blocklist", {"kinds": [[]]}, "kinds"),
            ("blocklist", {"kinds": "email"}, "kinds"),
            ("watch_list", {"kinds": ["email"], "score": -1}, "score"),
            ("avs_cvv", {"on_mismatch": "block", "on_partial": "approve"}, "on_partial"),
        ],
    )
    def test_what_a_kind_does_not_take_is_refused_by_name(self, kind: str, parameters: Any, fault: str) -> None:
        with pytest.raises(InvalidParameters, match=fault):
            KINDS[kind].parse(parameters)

    def test_all_faults_are_named_at_once(self) -> None:
        with pytest.raises(
            InvalidParameters, match=r"colour: unknown; limit: .*; window_seconds: missing; decision: missing"
        ):
            KINDS["velocity"].parse({"limit": -1, "colour": 1})
