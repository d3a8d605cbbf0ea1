"""The order service over REST: whether an order still needs the stock that is reserved under its id."""

from enum import Enum
from functools import cache
from typing import Final, Protocol

from django.conf import settings

from product_stub.catalog.errors import OrderServiceUnavailable
from servicekit.http import peers, services
from servicekit.http.client import HttpClient, HttpFailure, NotSent, Reply, is_object, once
from servicekit.load.dependency import Dependency

ORDER_SERVICE: Final = "order_service"
# Whoever lets stock go waits for us meanwhile: the order service 2 s.
ASK_DEADLINE_S: Final = 1.0
# An order that has ended stays ended. What is neither known here, a later version's status say, needs its stock.
_ENDED: Final = frozenset({"CANCELLED", "REFUNDED"})
_PAID: Final = "PAID"


class Need(Enum):
    """What an order says of its stock."""

    NONE = "none"  # it has ended, or there is no such order
    WAITING = "waiting"  # it is on its way, or waits to be paid
    PAID = "paid"  # it keeps it for good, or until it is refunded


class Orders(Protocol):
    """What the product stub wants of the order service."""

    def need_of(self, reservation_id: str) -> Need:
        """What the order of this id says. Raises OrderServiceUnavailable."""
        ...


class RestOrders:
    """`Orders` over HTTP.

    Args:
        may_be_absent: Nobody there at all means that nobody has orders: the stub is used by itself. Until it has
            answered once; from then on it is one that is away.
    """

    def __init__(self, http: HttpClient, *, may_be_absent: bool) -> None:
        self._http = http
        self._may_be_absent = may_be_absent

    def need_of(self, reservation_id: str) -> Need:
        try:
            url = f"{self._http.base_url}{reservation_id}/?live=false"
            reply = self._http.call("GET", url, retries=once(ASK_DEADLINE_S))
        except NotSent as failure:
            if self._may_be_absent:
                return Need.NONE
            raise OrderServiceUnavailable from failure
        except HttpFailure as failure:
            self._may_be_absent = False
            raise OrderServiceUnavailable from failure
        self._may_be_absent = False
        return _need(reply, reservation_id)


def _need(reply: Reply, reservation_id: str) -> Need:
    if reply.status == 404 and is_object(reply.body) and reply.body.get("code") == "order_not_found":
        return Need.NONE
    if reply.worth_repeating():
        raise OrderServiceUnavailable
    try:
        peers.require_status(reply, 200)
        order_id, status = peers.text(reply.body, "id"), peers.text(reply.body, "status")
    except peers.Unusable as problem:
        peers.report(reply, problem.why)
        raise OrderServiceUnavailable from problem
    # An order is found by its number, too, and by other spellings of its id; it reserves under none of those.
    if order_id != reservation_id or status in _ENDED:
        return Need.NONE
    return Need.PAID if status == _PAID else Need.WAITING


def dependency() -> Dependency:
    """The order service as it is seen from here."""
    return services.dependency(ORDER_SERVICE)


@cache
def order_service() -> Orders:
    """The order service, one pooled client per process."""
    http = services.client(ORDER_SERVICE, settings.ORDER_SERVICE_URL, settings.ORDER_SERVICE_KEY)
    return RestOrders(http, may_be_absent=not settings.ORDER_SERVICE_IS_NAMED)
