"""The services that the payment service talks to, built from settings."""

from functools import cache
from typing import Final

from django.conf import settings

from payment_service.payments.clients.orders import Orders, RestOrders
from servicekit.http import services
from servicekit.load.dependency import Dependency

ORDER_SERVICE: Final = "order_service"


def dependency() -> Dependency:
    """The order service as it is seen from here."""
    return services.dependency(ORDER_SERVICE)


@cache
def order_service() -> Orders:
    """The order service, one pooled client per process."""
    http = services.client(ORDER_SERVICE, settings.ORDER_SERVICE_URL, settings.ORDER_SERVICE_KEY)
    return RestOrders(http, deadline_s=settings.ORDER_DEADLINE_S)
