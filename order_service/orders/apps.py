from importlib import import_module

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "order_service.orders"
    label = "orders"

    def ready(self) -> None:
        import_module("order_service.orders.ops.checks")  # each registers its own
        import_module("order_service.orders.ops.admin")
