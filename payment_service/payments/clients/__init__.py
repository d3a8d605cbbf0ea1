"""The services that the payment service talks to, built from settings."""

from functools import cache

from django.conf import settings

from payment_service.payments.clients.orders import Orders, RestOrders
from servicekit.http.client import HttpClient
from servicekit.load.dependency import Dependency


@cache
def dependency() -> Dependency:
    """The order service as it is seen from here."""
    return Dependency("order_service", settings.DOWNSTREAMS.breaker, calls=settings.DOWNSTREAMS.calls)


@cache
def order_service() -> Orders:
    """The order service, one pooled client per process."""
    http = HttpClient(
        settings.ORDER_SERVICE_URL,
        connect_timeout_s=settings.HTTP_CONNECT_TIMEOUT_S,
        read_timeout_s=settings.HTTP_READ_TIMEOUT_S,
        dependency=dependency(),
    )
    return RestOrders(http, deadline_s=settings.ORDER_DEADLINE_S)
