"""The two services that the order service talks to, built from settings."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from django.conf import settings

from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import CheckingProducts, ReservingProducts
from order_service.orders.ports import Payments, Products
from servicekit.http import services
from servicekit.load.dependency import Dependency

PRODUCT_SERVICE: Final = "product_service"
PAYMENT_SERVICE: Final = "payment_service"


def dependencies() -> Sequence[Dependency]:
    """Both dependencies, for the health endpoint."""
    return [services.dependency(PRODUCT_SERVICE), services.dependency(PAYMENT_SERVICE)]


@cache
def products() -> Products:
    """The product service, one pooled client per process."""
    kind = ReservingProducts if settings.PRODUCT_RESERVATIONS else CheckingProducts
    return kind(
        services.client(PRODUCT_SERVICE, settings.PRODUCT_SERVICE_URL, settings.PRODUCT_SERVICE_KEY),
        deadline_s=settings.PRODUCT_DEADLINE_S,
    )


@cache
def payments() -> Payments:
    """The payment service, one pooled client per process."""
    http = services.client(PAYMENT_SERVICE, settings.PAYMENT_SERVICE_URL, settings.PAYMENT_SERVICE_KEY)
    return RestPayments(http, default_currency=settings.PAYMENT_SERVICE_CURRENCY)
