from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from payments.sagas import checkout, refund, remedy  # noqa: F401  # they register themselves
