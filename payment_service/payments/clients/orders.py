"""The order service over REST: asking for an order, and telling it to look at its payment again."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from payment_service.payments.errors import OrderServiceUnavailable
from servicekit.http import HttpClient, HttpFailure, Reply, once
from servicekit.retries import RetryPolicy

# A client waits while the order is told; whoever is not told in time is told by the worker.
TELL_DEADLINE_S: Final = 3.0


@dataclass(frozen=True)
class OrderSeen:
    """An order as the payment service needs it. `order_id` is its canonical id, also when it was asked by number."""

    order_id: str
    status: str
    total: Decimal
    currency: str


class Orders(Protocol):
    """What the payment service wants of the order service."""

    def find(self, reference: str) -> OrderSeen | None:
        """The order with this id or number; None when there is none. Raises OrderServiceUnavailable."""
        ...

    def look_again(self, order_id: str) -> bool:
        """Tell it to look at an order's payment; whether it has heard. An unknown order counts as told."""
        ...


class RestOrders:
    """`Orders` over HTTP."""

    def __init__(self, http: HttpClient, *, deadline_s: float) -> None:
        self._http = http
        self._retries = RetryPolicy(attempts=3, first_wait_s=0.1, max_wait_s=1.0, deadline_s=deadline_s)

    def find(self, reference: str) -> OrderSeen | None:
        try:
            # Without its live payment status, for which the order service would have to ask us while it is asked by us.
            url = f"{self._http.base_url}{reference}/?live=false"
            reply = self._http.call("GET", url, retries=self._retries)
        except HttpFailure as failure:
            raise OrderServiceUnavailable from failure
        if reply.status == 404:
            return None
        return _seen(reply)

    def look_again(self, order_id: str) -> bool:
        url = f"{self._http.base_url}{order_id}/payment/"
        try:
            reply = self._http.call("POST", url, retries=once(TELL_DEADLINE_S))
        except HttpFailure:
            return False
        return 200 <= reply.status < 300 or reply.status == 404


def _seen(reply: Reply) -> OrderSeen:
    if reply.status != 200:
        raise OrderServiceUnavailable
    try:
        return OrderSeen(
            order_id=_canonical(reply.body["id"]),
            status=str(reply.body["status"]),
            total=Decimal(reply.body["total_amount"]),
            currency=str(reply.body["currency"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise OrderServiceUnavailable from problem


def _canonical(order_id: Any) -> str:
    return str(order_id) if isinstance(order_id, int) else str(uuid.UUID(order_id))
