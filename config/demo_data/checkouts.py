"""What one checkout of the past has left behind, as the checkout saga would have left it: rows, not calls."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User

from config.demo_data.journal import Json
from config.demo_data.movements import GATEWAY, Movements, operations_of
from config.demo_data.plan import CURRENCY, Ending, Past
from config.demo_data.records import Records, dated, id_at
from config.demo_data.screenings import screen
from config.demo_data.shop import STOCK
from fraud.facts import Stage
from fraud.models import ReviewCase
from orders.ids import parse_id
from orders.models import Order, OrderLine, Reservation, Shipment
from payments.models import SagaEvent, SagaExecution, SagaStep
from payments.sagas import expiry
from payments.sagas.checkout import CHECKOUT, CheckoutContext
from payments.sagas.definition import name_of

FORWARD, BACK = SagaExecution.Direction.FORWARD, SagaExecution.Direction.COMPENSATING
POSITIONS: Final = {step.name: position for position, step in enumerate(CHECKOUT.steps)}
SHIPPED: Final = frozenset({Ending.COMPLETED, Ending.REFUNDED, Ending.PARTLY_REFUNDED})
TICK: Final = timedelta(milliseconds=5)
"""What a step of our own takes. Steps are sorted by their ids, which count milliseconds."""

ORDER_STATUS: Final = dict.fromkeys(SHIPPED, Order.Status.COMPLETED) | {Ending.IN_REVIEW: Order.Status.IN_REVIEW}
RESERVATION: Final = dict.fromkeys(SHIPPED, Reservation.State.CONSUMED) | {Ending.IN_REVIEW: Reservation.State.HELD}
SAGA_STATE: Final = dict.fromkeys(SHIPPED, SagaExecution.State.COMPLETED) | {
    Ending.IN_REVIEW: SagaExecution.State.WAITING
}
"""All others were undone."""

FAILURES: Final[Mapping[Ending, tuple[str, str, str]]] = {
    Ending.BLOCKED: ("screen_order", "fraud_blocked", "The payment was refused by the fraud rules or in review."),
    Ending.DECLINED: ("authorize_payment", "card_declined", "The card was declined."),
    Ending.UNDELIVERABLE: ("create_shipment", "shipment_refused", "The carrier does not deliver to this address."),
}
"""The step that was refused, and why."""
DECLINES: Final = {"insufficient_funds": "The card has insufficient funds.", "expired_card": "The card has expired."}


class PastCheckout:
    """One order and its checkout; `charge` is what the sandbox remembers of it, None when it never came that far."""

    def __init__(self, past: Past, client: User, charge: Json | None, velocity: Mapping[str, int]) -> None:
        self.past = past
        self.charge = charge
        self.velocity = velocity
        self.records = Records()
        self.at = datetime.fromisoformat(charge["created_at"]) if charge else past.at
        self.now = self.at - 4 * TICK
        self.order = self._order(client)
        self.saga = self._saga()
        self.records.add(self.order, self.saga)

    def tell(self) -> Records:
        """All the rows, in the order in which they came into being."""
        self._add_lines()
        self._pass_local("reserve_inventory")
        self._screen(Stage.BEFORE_AUTHORIZATION, {})
        if self.past.ending != Ending.BLOCKED:
            self._pass_local("screen_order")
            self._pay()
        if self.past.ending in FAILURES:
            self._turn_back()
        elif self.past.ending == Ending.IN_REVIEW:
            self._note("parked", waiting_for="review")
        else:
            self._finish(SagaExecution.State.COMPLETED, cursor=len(CHECKOUT.steps))
        self.order.updated_at = self.saga.updated_at = self.now
        return self.records

    def _order(self, client: User) -> Order:
        past, charge = self.past, self.charge
        address = {"country": "US", "city": past.city, "postal_code": past.postal_code}
        placed_at = self.at - timedelta(seconds=40)
        known_as = parse_id(Order.PREFIX, charge["order"]) if charge else None
        return Order(
            id=known_as or id_at(placed_at),
            client=client,
            reference=past.reference,
            currency=CURRENCY,
            amount_minor=past.amount_minor,
            status=ORDER_STATUS.get(past.ending, Order.Status.PAYMENT_FAILED),
            customer_id=past.customer,
            customer_email=past.email,
            billing=address,
            shipping=address,
            checkout_number=1,
            **dated(placed_at),
        )

    def _saga(self) -> SagaExecution:
        context = CheckoutContext(
            checkout_number=1,
            gateway=GATEWAY,
            payment_method=self.past.payment_method,
            velocity=dict(self.velocity),
        )
        return SagaExecution(
            id=id_at(self.now),
            definition=CHECKOUT.name,
            version=CHECKOUT.version,
            business_key=f"{self.order.public_id}:1",
            order=self.order,
            state=SAGA_STATE.get(self.past.ending, SagaExecution.State.COMPENSATED),
            context=asdict(context),
            epoch=1,
            **dated(self.now),
        )

    def _add_lines(self) -> None:
        for position, bought in enumerate(self.past.bought):
            line = OrderLine(
                order=self.order,
                position=position,
                item_id=bought.sku,
                name=STOCK[bought.sku][0],
                quantity=bought.quantity,
                unit_amount_minor=bought.amount_minor // bought.quantity,
            )
            reservation = Reservation(
                order=self.order,
                checkout_number=1,
                item_id=bought.sku,
                quantity=bought.quantity,
                state=RESERVATION.get(self.past.ending, Reservation.State.RELEASED),
                created_at=self.now,
            )
            self.records.add(line, reservation)

    def _screen(self, stage: Stage, card: Mapping[str, str]) -> UUID:
        decision = screen(
            self.order, attempt=self.saga.public_id, stage=stage, at=self.now, card=card, velocity=self.velocity
        )
        self.records.add(decision)
        if decision.wants_review:
            self._open_case(decision.pk)
        return decision.pk

    def _open_case(self, decision_id: UUID) -> None:
        expires_at = datetime.fromisoformat(self.charge["authorization_expires_at"]) if self.charge else None
        due_at = expires_at - expiry.MARGIN if expires_at else self.now + expiry.PATIENCE
        self.saga.context["review"] = str(decision_id)
        self.saga.waiting_for, self.saga.deadline_at = "review", due_at
        self.saga.cursor = POSITIONS["await_review"]
        case = ReviewCase(
            id=id_at(self.now), decision_id=decision_id, order=self.order, due_at=due_at, created_at=self.now
        )
        self.records.add(case)

    def _pay(self) -> None:
        """From the authorization to the parcel, as far as it went."""
        if self.charge is None:
            return
        operations = operations_of(self.charge)
        movements = Movements(self.order, self.saga, self.charge, self.records)
        movements.add_attempt(self.past.payment_method)
        if self.past.ending == Ending.DECLINED:
            return
        self._pass_foreign("authorize_payment", operations["authorize"])
        self._screen(Stage.AFTER_AUTHORIZATION, movements.card_facts)
        self._pass_local("screen_authorization")
        if self.past.ending == Ending.IN_REVIEW:
            return
        self._pass_local("await_review")
        self._pass_foreign("capture_payment", operations["capture"])
        if self.past.ending in SHIPPED:
            self._ship()
        if "refund" in operations:
            movements.add_refund(is_compensation=self.past.ending == Ending.UNDELIVERABLE)

    def _ship(self) -> None:
        self._pass_local("create_shipment")
        shipment_id = id_at(self.now)
        shipment = Shipment(
            id=shipment_id,
            order=self.order,
            carrier=GATEWAY,
            carrier_reference=f"shp_{shipment_id.hex[:24]}",
            tracking_number=f"SBX{shipment_id.hex[:20].upper()}",
            created_at=self.now,
        )
        self.records.add(shipment)
        self._pass_local("complete_order")

    def _turn_back(self) -> None:
        """The refused step, then whatever there was to undo."""
        name, code, detail = FAILURES[self.past.ending]
        if self.charge and (decline := self.charge["decline_code"]) in DECLINES:
            code, detail = decline, DECLINES[decline]
        self.saga.failure = {"code": code, "detail": detail, "retriable": False}
        refused: dict[str, Any] = {
            "state": SagaStep.State.FAILED,
            "outcome": SagaStep.Outcome.DECLINED,
            "error": dict(self.saga.failure),
        }
        if self.charge and name == "authorize_payment":
            self._pass_foreign(name, operations_of(self.charge)["authorize"], **refused)
        else:
            self._add_step(name, **refused)
        self._note("compensation_started", **self.saga.failure)
        self.saga.direction = BACK
        self._undo(from_position=POSITIONS[name])
        self._finish(SagaExecution.State.COMPENSATED, cursor=0)

    def _undo(self, *, from_position: int) -> None:
        for name, position in reversed(POSITIONS.items()):
            undo = CHECKOUT.steps[position].undo
            if position > from_position or undo is None:
                continue
            if name == "capture_payment" and self.charge:
                self._pass_foreign(name_of(undo), operations_of(self.charge)["refund"], position=position)
            elif name == "reserve_inventory":
                self._add_step(name_of(undo), position=position)
            else:
                self._add_step(name_of(undo), position=position, outcome=SagaStep.Outcome.NOT_NEEDED)

    def _finish(self, state: SagaExecution.State, *, cursor: int) -> None:
        self.saga.cursor = cursor
        self.saga.finished_at = self.now
        self._note(state.value)

    def _pass_local(self, name: str) -> None:
        self._add_step(name)

    def _pass_foreign(self, name: str, operation: Json, **fields: Any) -> None:
        """A call to the gateway ended when the sandbox says so."""
        self.now = datetime.fromisoformat(operation["at"])
        result = {"transaction_id": operation["id"], "amount_minor": operation["amount"], "currency": CURRENCY}
        self._add_step(name, key=operation["idempotency_key"], result=result, attempts=1, **fields)

    def _add_step(self, name: str, *, position: int | None = None, **fields: Any) -> None:
        step = SagaStep(
            id=id_at(self.now),
            saga=self.saga,
            position=POSITIONS[name] if position is None else position,
            direction=self.saga.direction,
            name=name,
            started_at=self.now,
            finished_at=self.now,
            **{"state": SagaStep.State.DONE, "outcome": SagaStep.Outcome.OK, **fields},
        )
        self.records.add(step)
        self.now += TICK

    def _note(self, kind: str, **after: Any) -> None:
        self.records.add(SagaEvent(saga=self.saga, kind=kind, after=after, created_at=self.now))
