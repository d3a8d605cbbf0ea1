"""The two services that the order service talks to, built from settings."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from django.conf import settings

from order_service.orders.clients.payments import RestPayments
from order_service.orders.clients.products import CheckingProducts, ReservingProducts
from order_service.orders.ports import Payments, Products
from servicekit.http.client import HttpClient
from servicekit.load.dependency import Dependency

PRODUCT_SERVICE: Final = "product_service"
PAYMENT_SERVICE: Final = "payment_service"


def dependencies() -> Sequence[Dependency]:
    """Both, for whoever wants to know how they are."""
    return [_dependency(PRODUCT_SERVICE), _dependency(PAYMENT_SERVICE)]


@cache
def _dependency(name: str) -> Dependency:
    return Dependency(name, settings.DOWNSTREAMS.breaker, calls=settings.DOWNSTREAMS.calls)


def _http(name: str, url: str) -> HttpClient:
    return HttpClient(
        url,
        connect_timeout_s=settings.HTTP_CONNECT_TIMEOUT_S,
        read_timeout_s=settings.HTTP_READ_TIMEOUT_S,
        dependency=_dependency(name),
    )


@cache
def products() -> Products:
    """The product service, one pooled client per process."""
    kind = ReservingProducts if settings.PRODUCT_RESERVATIONS else CheckingProducts
    return kind(_http(PRODUCT_SERVICE, settings.PRODUCT_SERVICE_URL), deadline_s=settings.PRODUCT_DEADLINE_S)


@cache
def payments() -> Payments:
    """The payment service, one pooled client per process."""
    http = _http(PAYMENT_SERVICE, settings.PAYMENT_SERVICE_URL)
    return RestPayments(http, default_currency=settings.PAYMENT_SERVICE_CURRENCY)
