from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from orders import services
from orders.errors import InvalidTransition, OrderNotPayable, OutOfStock, UnknownSku
from orders.models import NEXT, Order, Reservation, Shipment, StockItem
from orders.services import Line
from tests.orders.builders import make_client, make_order, make_stock

Status = Order.Status


@pytest.mark.django_db
class TestPlacing:
    def test_the_amount_is_the_sum_of_the_lines(self) -> None:
        tee, mug = make_stock(), make_stock()

        order = make_order(lines=[Line(tee.sku, 3, 1999), Line(mug.sku, 1, 1)])

        assert (order.amount_minor, order.status) == (3 * 1999 + 1, "open")
        assert [(line.sku, line.position) for line in order.lines.all()] == [(tee.sku, 0), (mug.sku, 1)]

    def test_an_unknown_item_is_named_with_its_lines_and_nothing_is_placed(self) -> None:
        lines = [Line(make_stock().sku, 1, 100), Line("NO-SUCH", 1, 100)]

        with pytest.raises(UnknownSku, match="NO-SUCH") as unknown:
            make_order(lines=lines)

        assert unknown.value.facts["positions"] == [1]
        assert not Order.objects.exists()


@pytest.mark.django_db
class TestCheckoutNumbers:
    def test_each_checkout_of_an_order_has_the_next_number(self) -> None:
        order = make_order()

        assert services.begin_checkout(order) == 1
        order.move(Status.PAYMENT_FAILED)
        assert services.begin_checkout(order) == 2

    def test_of_two_who_read_the_same_order_one_begins(self) -> None:
        order = make_order()
        stale = Order.objects.get(pk=order.pk)
        services.begin_checkout(order)

        with pytest.raises(OrderNotPayable, match="processing"):
            services.begin_checkout(stale)

        order.refresh_from_db()
        assert order.checkout_number == 1

    def test_an_order_with_a_cancellation_asked_for_is_not_checked_out(self) -> None:
        order = make_order()
        Order.objects.filter(pk=order.pk).update(cancel_requested_at="2026-01-01T00:00Z")

        with pytest.raises(OrderNotPayable):
            services.begin_checkout(order)


@pytest.mark.django_db
class TestMoving:
    @pytest.mark.parametrize("source", Status)
    @pytest.mark.parametrize("target", Status)
    def test_an_order_moves_where_the_table_says_and_nowhere_else(self, source: Status, target: Status) -> None:
        order = make_order()
        Order.objects.filter(pk=order.pk).update(status=source)
        order.refresh_from_db()

        if target in NEXT[source]:
            order.move(target)
        else:
            with pytest.raises(InvalidTransition):
                order.move(target)

        assert Order.objects.get(pk=order.pk).status == (target if target in NEXT[source] else source)

    def test_the_slower_of_two_racing_moves_loses(self) -> None:
        order = make_order()
        slower = Order.objects.get(pk=order.pk)
        order.move(Status.CANCELLED)

        with pytest.raises(InvalidTransition):
            slower.move(Status.PROCESSING)

        order.refresh_from_db()
        assert order.status == "cancelled"


@pytest.mark.django_db
class TestStock:
    def test_what_is_reserved_is_off_the_shelf_and_comes_back_once(self) -> None:
        item = make_stock(available=5)
        order = make_order(item=item, quantity=3)

        services.reserve_stock(order, checkout_number=1)
        item.refresh_from_db()
        assert item.available == 2

        assert services.release_stock(order, checkout_number=1)
        assert not services.release_stock(order, checkout_number=1)
        item.refresh_from_db()
        assert item.available == 5

    def test_lines_of_one_item_are_reserved_together(self) -> None:
        item = make_stock(available=5)
        order = make_order(lines=[Line(item.sku, 2, 100), Line(item.sku, 3, 100)])

        services.reserve_stock(order, checkout_number=1)

        assert list(order.reservations.values_list("quantity", flat=True)) == [5]

    def test_too_little_of_one_item_leaves_the_others_where_they_were(self) -> None:
        plenty, scarce = make_stock("A-1"), make_stock("B-1", available=0)
        order = make_order(lines=[Line(plenty.sku, 1, 100), Line(scarce.sku, 1, 100)])

        with pytest.raises(OutOfStock, match="B-1"), transaction.atomic():
            services.reserve_stock(order, checkout_number=1)

        plenty.refresh_from_db()
        assert (plenty.available, Reservation.objects.count()) == (100, 0)

    def test_what_was_sold_does_not_come_back(self) -> None:
        item = make_stock(available=5)
        order = make_order(item=item, quantity=3)
        services.reserve_stock(order, checkout_number=1)
        services.consume_stock(order, checkout_number=1)

        assert not services.release_stock(order, checkout_number=1)

        item.refresh_from_db()
        assert item.available == 2

    def test_a_checkout_gives_back_only_what_it_holds_itself(self) -> None:
        item = make_stock(available=5)
        order = make_order(item=item, quantity=2)
        services.reserve_stock(order, checkout_number=1)
        services.release_stock(order, checkout_number=1)
        services.reserve_stock(order, checkout_number=2)

        assert not services.release_stock(order, checkout_number=1)

        item.refresh_from_db()
        assert item.available == 3


@pytest.mark.django_db
class TestShipments:
    def ship(self, order: Order, reference: str = "shp_1") -> None:
        services.record_shipment(order, carrier="sandbox", carrier_reference=reference, tracking_number="T1")

    def test_the_same_parcel_told_twice_is_one(self) -> None:
        order = make_order()

        self.ship(order)
        self.ship(order)

        assert order.shipments.count() == 1

    def test_a_second_parcel_for_an_order_is_refused(self) -> None:
        order = make_order()
        self.ship(order)

        with pytest.raises(IntegrityError), transaction.atomic():
            self.ship(order, "shp_2")

        assert order.shipments.count() == 1

    def test_a_parcel_that_was_called_back_makes_room_for_another(self) -> None:
        order = make_order()
        self.ship(order)
        services.record_shipment_cancelled(order, carrier="sandbox", carrier_reference="shp_1")

        self.ship(order, "shp_2")

        assert list(order.shipments.order_by("pk").values_list("status", flat=True)) == ["cancelled", "shipped"]
        assert Shipment.objects.exclude(cancelled_at=None).count() == 1


@pytest.mark.django_db
class TestTheLastLine:
    def refused(self, write: Callable[[], object], constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            write()

    def test_stock_is_never_below_nothing(self) -> None:
        item = make_stock(available=1)

        self.refused(
            lambda: StockItem.objects.filter(pk=item.pk).update(available=-1), "available|stock_never_oversold"
        )

    @pytest.mark.parametrize("paid", [-1, 2501])
    def test_an_order_is_paid_within_its_amount(self, paid: int) -> None:
        order = make_order()

        self.refused(lambda: Order.objects.filter(pk=order.pk).update(paid_minor=paid), "order_paid_within_amount")

    @pytest.mark.parametrize("amount", [0, -5])
    def test_an_order_costs_something(self, amount: int) -> None:
        order = make_order()

        self.refused(lambda: Order.objects.filter(pk=order.pk).update(amount_minor=amount), "order_")

    def test_a_line_is_of_something(self) -> None:
        order = make_order()

        self.refused(lambda: order.lines.update(quantity=0), "line_quantity_positive")
        self.refused(lambda: order.lines.update(unit_amount_minor=-1), "line_amount_not_negative")

    def test_a_checkout_reserves_an_item_once(self) -> None:
        order = make_order()
        services.reserve_stock(order, checkout_number=1)

        self.refused(
            lambda: services.reserve_stock(order, checkout_number=1),
            "one_reservation_per_checkout_and_sku|UNIQUE constraint failed",
        )


def at_once(count: int, work: Callable[[int], bool]) -> list[bool]:
    barrier = Barrier(count)

    def run(number: int) -> bool:
        barrier.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def reserve(order: Order, number: int = 1) -> bool:
    try:
        with transaction.atomic():
            services.reserve_stock(order, checkout_number=number)
    except OutOfStock:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_many_who_want_the_last_ones_at_once_get_no_more_than_there_are() -> None:
    item = make_stock(available=5)
    client = make_client()
    orders = [make_order(client, item=item, quantity=2) for _ in range(8)]

    had = at_once(8, lambda number: reserve(orders[number]))

    item.refresh_from_db()
    assert (had.count(True), item.available, Reservation.objects.count()) == (2, 1, 2)


@pytest.mark.django_db(transaction=True)
def test_carts_that_overlap_in_opposite_orders_do_not_block_each_other() -> None:
    skus = [make_stock(f"SKU-{letter}", available=1000).sku for letter in "ABCD"]
    client = make_client()
    forwards = make_order(client, lines=[Line(sku, 1, 100) for sku in skus])
    backwards = make_order(client, lines=[Line(sku, 1, 100) for sku in reversed(skus)])

    def work(number: int) -> bool:
        order = (forwards, backwards)[number % 2]
        return all(reserve(order, number * 100 + turn) for turn in range(15))

    assert all(at_once(4, work))
    assert set(StockItem.objects.values_list("available", flat=True)) == {1000 - 4 * 15}
