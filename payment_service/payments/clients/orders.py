"""The order service over REST: asking for an order, and telling it to look at its payment again."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from payment_service.payments.errors import OrderServiceUnavailable
from servicekit.http import peers
from servicekit.http.client import HttpClient, HttpFailure, Reply, once
from servicekit.retry import RetryPolicy

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
        if peers.is_missing(reply):
            return None
        if reply.worth_repeating():
            raise OrderServiceUnavailable
        return _seen(reply, reference)

    def look_again(self, order_id: str) -> bool:
        url = f"{self._http.base_url}{order_id}/payment/"
        try:
            reply = self._http.call("POST", url, retries=once(TELL_DEADLINE_S))
        except HttpFailure:
            return False
        has_heard = 200 <= reply.status < 300 or peers.is_missing(reply)
        if not has_heard and not reply.worth_repeating():
            peers.report(reply, "the order service does not want to look at its payment")
        return has_heard


def _seen(reply: Reply, reference: str) -> OrderSeen:
    """The order in an answer; it must be the one that was asked for."""
    try:
        peers.require_status(reply, 200)
        currency = peers.currency(reply.body, "currency")
        return OrderSeen(
            order_id=_id_of(reply.body, reference),
            status=peers.text(reply.body, "status"),
            total=peers.amount(reply.body, "total_amount", currency=currency),
            currency=currency,
        )
    except peers.Unusable as problem:
        peers.report(reply, problem.why)
        raise OrderServiceUnavailable from problem


def _id_of(body: Any, reference: str) -> str:
    """The canonical id of the order that was asked for by its id or by its number."""
    order_id = peers.member(body, "id")
    if type(order_id) is int:  # an order service that has only numbers
        named = also_named = str(peers.whole_number(body, "id", least=1))
    else:
        named = peers.uuid_text(body, "id")
        also_named = named if named == reference else str(peers.whole_number(body, "number", least=1))
    if reference != also_named:
        raise peers.Unusable("id is not the one that was asked for")
    return named
