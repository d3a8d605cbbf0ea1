"""The two services that the order service talks to, built from settings."""

from functools import cache

from django.conf import settings

from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import CheckingProducts, ReservingProducts
from order_service.orders.ports import Payments, Products
from servicekit.http import HttpClient


def _http(url: str) -> HttpClient:
    return HttpClient(
        url, connect_timeout_s=settings.HTTP_CONNECT_TIMEOUT_S, read_timeout_s=settings.HTTP_READ_TIMEOUT_S
    )


@cache
def products() -> Products:
    """The product service, one pooled client per process."""
    kind = ReservingProducts if settings.PRODUCT_RESERVATIONS else CheckingProducts
    return kind(_http(settings.PRODUCT_SERVICE_URL), deadline_s=settings.PRODUCT_DEADLINE_S)


@cache
def payments() -> Payments:
    """The payment service, one pooled client per process."""
    return RestPayments(_http(settings.PAYMENT_SERVICE_URL))
