"""The same checkouts over Redis and over RabbitMQ."""

from tests.celery.shop import Shop


def test_what_a_client_does_not_wait_for_is_finished_by_a_celery_worker(shop: Shop, broker: str) -> None:
    with shop.worker(broker, sweeps=False), shop.web_server(broker):
        order, _ = shop.checkout()

        shop.wait_until_done(order)


def test_a_task_delivered_five_times_and_out_of_order_does_its_work_once(shop: Shop, broker: str) -> None:
    sagas = [shop.begin() for _ in range(3)]
    for _ in range(5):
        sagas.append(sagas.pop(0))
        shop.nudge(broker, *reversed(sagas))

    with shop.worker(broker, sweeps=False), shop.worker(broker, sweeps=False):
        shop.wait_until_done(*(saga.order for saga in sagas))
