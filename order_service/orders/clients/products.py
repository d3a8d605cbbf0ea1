"""The product service over REST: with reservations, and for one that has none."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urljoin
from uuid import UUID

from order_service.orders import states
from order_service.orders.clients.answers import call, unusable
from order_service.orders.ports import LineAsked, LineFound, NotReserved, Reserved
from servicekit.http import HttpClient, Reply, once
from servicekit.retries import RetryPolicy

# Confirming and releasing are repeated by the worker, so one short try is enough while a client waits.
FOLLOW_UP_DEADLINE_S: Final = 2.0


class ReservingProducts:
    """A product service with reservations (`/api/reservations/` beside `/api/products/`)."""

    def __init__(self, http: HttpClient, *, deadline_s: float) -> None:
        self._http = http
        self._reservations_url = urljoin(http.base_url, "../reservations/")
        # A lost connection or a restart of the peer is over within the second; longer outages end the order.
        self._retries = RetryPolicy(attempts=3, first_wait_s=0.1, max_wait_s=1.0, deadline_s=deadline_s)

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        items = [{"product_id": line.product_id, "quantity": line.quantity} for line in lines]
        reply = call(self._http, "PUT", self._url(order_id), json={"items": items}, retries=self._retries)
        if reply.status in (200, 201):
            return Reserved(_lines(reply))
        return _refusal(reply)

    def confirm(self, order_id: UUID) -> bool:
        reply = call(self._http, "POST", f"{self._url(order_id)}confirm/", retries=once(FOLLOW_UP_DEADLINE_S))
        if reply.status in (404, 409):
            return False
        if reply.status != 200:
            raise unusable(reply)
        return True

    def release(self, order_id: UUID, *, return_sold: bool) -> None:
        url = self._url(order_id) + ("?return=true" if return_sold else "")
        reply = call(self._http, "DELETE", url, retries=once(FOLLOW_UP_DEADLINE_S))
        if reply.status != 204:
            raise unusable(reply)

    def _url(self, order_id: UUID) -> str:
        return f"{self._reservations_url}{order_id}/"


class CheckingProducts:
    """A product service that has only `GET /api/products/{id}/`: existence and stock are checked, nothing is held."""

    def __init__(self, http: HttpClient, *, deadline_s: float) -> None:
        self._http = http
        self._retries = RetryPolicy(attempts=3, first_wait_s=0.1, max_wait_s=1.0, deadline_s=deadline_s)

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        found: list[LineFound] = []
        reasons: list[str] = []
        for line in lines:
            reply = call(self._http, "GET", f"{self._http.base_url}{line.product_id}/", retries=self._retries)
            if reply.status == 404:
                reasons.append(states.PRODUCT_NOT_FOUND.format(product_id=line.product_id))
                continue
            if reply.status != 200:
                raise unusable(reply)
            product, stock = _product(reply, line)
            found.append(product)
            if stock < line.quantity:
                reasons.append(states.PRODUCT_OUT_OF_STOCK.format(product_id=line.product_id))
        return NotReserved(reasons[0], tuple(found)) if reasons else Reserved(tuple(found))

    def confirm(self, order_id: UUID) -> bool:
        return True

    def release(self, order_id: UUID, *, return_sold: bool) -> None:
        """Nothing was held."""


def _refusal(reply: Reply) -> NotReserved:
    """404 and 409 are the product service's "no"; anything else is not an answer to this question."""
    code = reply.body.get("code") if isinstance(reply.body, dict) else None
    if code == "product_not_found":
        return NotReserved(states.PRODUCT_NOT_FOUND.format(product_id=_product_id(reply)), _lines(reply))
    if code == "out_of_stock":
        return NotReserved(states.PRODUCT_OUT_OF_STOCK.format(product_id=_product_id(reply)), _lines(reply))
    if reply.status in (400, 409, 422):
        return NotReserved(states.STOCK_NOT_HELD, ())
    raise unusable(reply)


def _product_id(reply: Reply) -> Any:
    try:
        return reply.body["product_id"]
    except KeyError as missing:
        raise unusable(reply) from missing


def _lines(reply: Reply) -> tuple[LineFound, ...]:
    try:
        return tuple(
            LineFound(int(item["product_id"]), str(item["name"]), Decimal(item["unit_price"]), int(item["quantity"]))
            for item in reply.body["items"]
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise unusable(reply) from problem


def _product(reply: Reply, line: LineAsked) -> tuple[LineFound, int]:
    try:
        body = reply.body
        found = LineFound(line.product_id, str(body["name"]), Decimal(body["price"]), line.quantity)
        return found, int(body["stock"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise unusable(reply) from problem
