"""The payment of one order, driven as a saga drives it."""

from dataclasses import replace
from itertools import count
from typing import Any, cast

from payments.gateways.base import Found, Operation, Outcome, PaymentGateway, Request, Result, TwoCallGateway

AMOUNT = 50_00
_NUMBERS = count(1)


class Payment:
    """Every operation's request is made once: asked for again, it is the same one, under the same key."""

    def __init__(self, adapter: PaymentGateway, method: str, *, amount: int = AMOUNT, currency: str = "USD") -> None:
        self.adapter = adapter
        self.order = f"ord_{next(_NUMBERS)}"
        self.authorization = Request(
            key=f"{self.order}:authorize", order=self.order, amount_minor=amount, currency=currency,
            payment_method=method,
        )  # fmt: skip
        self.reference = ""

    def open(self) -> None:
        """For a gateway with two calls, the first of them, by which nothing can happen."""
        if self.adapter.capabilities.two_call_authorize and not self.reference:
            self.reference = cast(TwoCallGateway, self.adapter).open(self.authorization)
            self.authorization = replace(self.authorization, reference=self.reference)

    def request(self, operation: Operation, amount: int | None = None, *, number: int = 1) -> Request:
        """The `number`-th request for this operation; for all that there is, unless an amount is given."""
        if operation == Operation.AUTHORIZE:
            return self.authorization
        return replace(
            self.authorization,
            key=f"{self.order}:{operation}:{number}",
            amount_minor=self.authorization.amount_minor if amount is None else amount,
            reference=self.reference,
        )

    def ask(self, request: Request, operation: Operation) -> Outcome:
        call: Any = getattr(self.adapter, operation)
        outcome: Outcome = call(request)
        self.reference = outcome.reference
        return outcome

    def authorize(self) -> Outcome:
        self.open()
        return self.ask(self.authorization, Operation.AUTHORIZE)

    def capture(self, amount: int | None = None) -> Outcome:
        return self.ask(self.request(Operation.CAPTURE, amount), Operation.CAPTURE)

    def void(self) -> Outcome:
        return self.ask(self.request(Operation.VOID), Operation.VOID)

    def refund(self, amount: int | None = None, *, number: int = 1) -> Outcome:
        return self.ask(self.request(Operation.REFUND, amount, number=number), Operation.REFUND)

    def be_ready_for(self, operation: Operation) -> Request:
        """Do all that comes before it; the request to send next."""
        self.open()
        if operation != Operation.AUTHORIZE:
            self.authorize()
        if operation == Operation.REFUND:
            self.capture()
        return self.request(operation)

    def look_up(self, operation: Operation, *, number: int = 1) -> Outcome | None:
        return self.adapter.look_up(operation, self.request(operation, number=number))

    def found(self) -> Found:
        """What the gateway tells of the charge by its name."""
        found = self.adapter.find(self.reference)
        assert found is not None
        return found

    def done(self, operation: Operation) -> list[Outcome]:
        """What of this kind was really done, as the gateway tells by the charge's name."""
        return [
            each for each in self.found().outcomes if (each.operation, each.result) == (operation, Result.SUCCEEDED)
        ]


def facts(outcome: Outcome | None) -> tuple[Operation, Result, str, str, int, str]:
    """What an answer, a look-up and a webhook have to agree on."""
    assert outcome is not None
    return (
        outcome.operation,
        outcome.result,
        outcome.transaction_id,
        outcome.reference,
        outcome.amount_minor,
        outcome.currency,
    )
