from importlib import import_module

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payment_service.payments"
    label = "payments"

    def ready(self) -> None:
        import_module("payment_service.payments.ops.checks")  # each registers its own
        import_module("payment_service.payments.ops.admin")
