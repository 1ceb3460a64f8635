"""Adyen, as our own stand-in imitates it. What it is, is what it lacks: nobody can ask it anything."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3

from payments.errors import CannotBeAskedError
from payments.gateways.adyen.gateway import AdyenGateway
from payments.gateways.base import PaymentGateway
from tests.payments.gateways.conformance.subject import Difference, Subject
from tests.peers import adyen, processes, programs
from tests.peers.receiver import Delivery, Receiver, receiving

SHOPPER: Final = "shopper_1"
_NO_LOOK_UP: Final = Difference("Adyen has no look-up", CannotBeAskedError)
_LATER: Final = Difference("Adyen takes note of a request, and tells by webhook what became of it")
_SIGNS_FIELDS: Final = Difference(
    "Adyen signs eight fields of an event: not its bytes, not its time, and inside the body", pytest.fail.Exception
)


class OnAdyen(Subject):
    name = "adyen"
    has_three_d_secure = False
    has_transactions = False
    differences = {  # noqa: RUF012  # the base class declares it
        "test_an_amount_is_reserved": _NO_LOOK_UP,
        "test_a_declined_card_is_a_definite_no_with_a_code": _NO_LOOK_UP,
        "test_a_declined_card_is_known_by_the_reference_the_refusal_gives": _NO_LOOK_UP,
        "test_a_gateway_without_3ds_does_not_charge_where_it_is_asked_for": _NO_LOOK_UP,
        "test_all_that_was_done_to_a_charge_is_told_in_order": _NO_LOOK_UP,
        "test_a_charge_that_was_let_go_was_authorized_before": _NO_LOOK_UP,
        "test_what_a_partial_capture_leaves_behind_is_no_refund": _NO_LOOK_UP,
        "test_a_charge_is_found_by_the_name_of_anything_done_to_it": _NO_LOOK_UP,
        "test_a_refund_tells_whose_it_is": _NO_LOOK_UP,
        "test_nobodys_name_is_not_found": _NO_LOOK_UP,
        "test_what_was_done_without_an_answer_is_unknown_until_the_look_up_finds_it": _NO_LOOK_UP,
        "test_what_never_arrived_is_unknown_until_the_look_up_finds_nothing": _NO_LOOK_UP,
        "test_a_refused_connection_was_never_sent": _NO_LOOK_UP,
        "test_a_gateway_that_wants_fewer_requests_did_nothing_and_says_when_to_come_back": _NO_LOOK_UP,
        "test_a_look_up_without_an_answer_is_no_answer": _NO_LOOK_UP,
        "test_a_look_up_that_was_never_sent_is_no_answer": _NO_LOOK_UP,
        "test_an_authorization_is_captured": _LATER,
        "test_a_part_of_an_authorization_is_captured": _LATER,
        "test_an_authorization_is_let_go": _LATER,
        "test_what_was_captured_is_given_back": _LATER,
        "test_it_may_be_given_back_in_parts": _NO_LOOK_UP,
        "test_more_than_was_captured_is_not_refunded": Difference(_LATER.reason, pytest.fail.Exception),
        "test_what_was_not_asked_for_has_not_happened": _NO_LOOK_UP,
        "test_a_charge_is_dead_once_it_is_let_go": _NO_LOOK_UP,
        "test_a_charge_that_was_captured_or_given_back_was_not_dead": _NO_LOOK_UP,
        "test_amounts_without_decimals_are_as_asked_for": _NO_LOOK_UP,
        "test_amounts_with_three_decimals_are_as_asked_for": _NO_LOOK_UP,
        "test_a_repeated_authorization_is_one_movement": _NO_LOOK_UP,
        "test_a_repeated_capture_is_one_movement": _NO_LOOK_UP,
        "test_a_repeated_void_is_one_movement": _NO_LOOK_UP,
        "test_a_repeated_refund_is_one_movement": _NO_LOOK_UP,
        "test_a_byte_more_is_not_believed": _SIGNS_FIELDS,
        "test_what_nobody_signed_is_not_believed": _SIGNS_FIELDS,
        "test_what_was_signed_at_another_time_is_not_believed": _SIGNS_FIELDS,
        "test_it_means_what_the_look_up_says": _NO_LOOK_UP,
    }

    receiver: Receiver
    _url: str

    @contextmanager
    def peer(self, folder: Path) -> Iterator[str]:
        with receiving() as self.receiver, processes.running(programs.ADYEN, folder) as self._url:
            self.tell(first=False)
            yield self._url

    def settings(self) -> Mapping[str, Any]:
        return {
            "ADYEN_API_BASE": f"{self.proxy.url}/v71",
            "ADYEN_API_KEY": adyen.KEY,
            "ADYEN_MERCHANT_ACCOUNT": adyen.ACCOUNT,
            "ADYEN_WEBHOOK_SECRETS": ["00" * 32, adyen.HMAC_KEY],
            "PUBLIC_URL": "https://pay.example.com",
        }

    def adapter(self) -> PaymentGateway:
        return AdyenGateway()

    def good_method(self) -> str:
        return self.method(adyen.GOOD)

    def declined_method(self) -> str:
        return self.method("NOFUNDS000000012")

    def capture_webhook(self, reference: str) -> Delivery:
        return self.receiver.wait_for('"CAPTURE"', reference)

    def tell(self, *, first: bool) -> None:
        """Whether an event comes before the answer to the request it is about."""
        about = {"url": self.receiver.url, "first": first}
        urllib3.request("POST", f"{self._url}/_webhooks", json=about, retries=False)

    @staticmethod
    def method(card: str) -> str:
        return f"{SHOPPER}/{card}"

    def payments_of(self, order: str) -> list[dict[str, Any]]:
        """All that was ever authorized for it."""
        return [each for each in self._known("payments") if each["order"] == order]

    def carried_out(self, key: str) -> list[dict[str, Any]]:
        """The bodies of what was carried out under this key, each once."""
        return [each["body"] for each in self._known("calls") if each["key"] == key]

    def calls_under(self, key: str) -> int:
        return len(self.carried_out(key))

    def _known(self, kind: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = urllib3.request("GET", f"{self._url}/_{kind}", retries=False).json()[kind]
        return listed
