"""One adapter and the peer it is tried on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from payments.gateways.base import PaymentGateway
from tests.peers.proxy import Proxy
from tests.peers.receiver import Delivery

TIMEOUT_SECONDS = 0.8
"""Of the adapters' calls: more than any peer here takes, and short, because most of the faults are waited for."""
PACE_SECONDS = 0.2
"""A byte of a slow answer; well below the timeout, so that only the whole answer is too late."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the peer, not the adapter, does otherwise than the gateway it stands for, and what a test of it ends in."""

    reason: str
    ends_in: type[BaseException] = AssertionError


class Subject(ABC):
    """A kind of peer. The suite is held to `differences`: a test named there has to fail, in just that way.

    What the peer lacks as a whole is said by the `has_…` below, and the suite asserts that it is lacking.
    """

    name: ClassVar[str]
    differences: ClassVar[Mapping[str, Difference]] = {}
    has_three_d_secure: ClassVar[bool] = True
    has_webhooks: ClassVar[bool] = True
    has_transactions: ClassVar[bool] = True
    has_three_decimals: ClassVar[bool] = True

    proxy: Proxy
    """All that the adapter says goes through it; what the subject itself asks of the peer does not."""

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """A peer of its own. Raise MissingError where it cannot be had."""
        subject = cls()
        with subject.peer(folder) as url, Proxy(url, pace=PACE_SECONDS) as proxy:
            subject.proxy = proxy
            yield subject

    @abstractmethod
    @contextmanager
    def peer(self, folder: Path) -> Iterator[str]:
        """The address of a process that the subject can then ask for what follows."""

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Those by which an adapter finds its peer."""

    @abstractmethod
    def adapter(self) -> PaymentGateway:
        """A new one, of the settings of this moment."""

    @abstractmethod
    def good_method(self) -> str:
        """A payment method that can be charged."""

    @abstractmethod
    def declined_method(self) -> str: ...

    def challenged_method(self) -> str:
        """One whose owner has to prove to be it."""
        raise NotImplementedError

    def answer_challenge(self, reference: str, *, is_passed: bool) -> None:
        """What the customer does, without any word of it to the adapter."""
        raise NotImplementedError

    def capture_webhook(self, reference: str) -> Delivery:
        """What the peer sent of the capture of this charge."""
        raise NotImplementedError
