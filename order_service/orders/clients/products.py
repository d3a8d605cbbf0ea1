"""The product service over REST: with reservations, and for one that has none."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urljoin
from uuid import UUID

from order_service.orders import states
from order_service.orders.clients.outcomes import call, unusable
from order_service.orders.ports import LineAsked, LineFound, NotReserved, Reserved, Unusable
from servicekit.http import peers
from servicekit.http.client import HttpClient, Reply, once
from servicekit.retry import RetryPolicy

# Confirming and releasing are repeated by the worker, so one short try is enough while a client waits.
FOLLOW_UP_DEADLINE_S: Final = 2.0
# How long a product service that confirms one by one is not asked whether it has learnt more.
ASK_AGAIN_S: Final = 60.0
# What a product service that does not know the call may say: no such path, no such reservation, no such method.
_HAS_NO_SUCH_CALL: Final = frozenset({400, 404, 405, 409, 422})


class ReservingProducts:
    """A product service with reservations (`/api/reservations/` beside `/api/products/`)."""

    def __init__(self, http: HttpClient, *, deadline_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._clock = clock
        # Where many cannot be confirmed in one call.
        self._one_by_one_until = 0.0
        self._reservations_url = urljoin(http.base_url, "../reservations/")
        self._retries = _retries(deadline_s)

    def prices(self, lines: Sequence[LineAsked]) -> Mapping[int, Decimal]:
        products = (_product(self._http, line, self._retries) for line in lines)
        return {line.product_id: line.unit_price for line, _ in filter(None, products)}

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        items = [{"product_id": line.product_id, "quantity": line.quantity} for line in lines]
        reply = call(self._http, "PUT", self._url(order_id), json={"items": items}, retries=self._retries)
        try:
            if reply.status in (200, 201):
                return Reserved(_all_lines(reply.body, lines))
            return _refusal(reply, lines)
        except peers.Unusable as problem:
            raise unusable(reply, problem.why) from problem

    def confirm(self, order_id: UUID) -> bool:
        reply = call(self._http, "POST", f"{self._url(order_id)}confirm/", retries=once(FOLLOW_UP_DEADLINE_S))
        # Any 404 may be a wrong address's; for this answer a paid order is refunded.
        if reply.status in (404, 409) and peers.code_of(reply, otherwise="") in _NOTHING_IS_HELD:
            return False
        if reply.status != 200:
            raise unusable(reply)
        return True

    def confirm_all(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        if self._clock() < self._one_by_one_until:
            return self._confirm_one_by_one(order_ids)
        ids = [str(order_id) for order_id in order_ids]
        url = f"{self._reservations_url}confirm/"
        try:
            reply = call(self._http, "POST", url, json={"ids": ids}, retries=once(FOLLOW_UP_DEADLINE_S))
        except Unusable as answer:
            if answer.status not in _HAS_NO_SUCH_CALL:  # most say that in HTML
                raise
            return self._confirm_one_by_one_from_now_on(order_ids)
        if reply.status in _HAS_NO_SUCH_CALL:
            return self._confirm_one_by_one_from_now_on(order_ids)
        if reply.status != 200:
            raise unusable(reply)
        try:
            return _sold(reply.body, order_ids)
        except peers.Unusable as problem:
            raise unusable(reply, problem.why) from problem

    def _confirm_one_by_one_from_now_on(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        self._one_by_one_until = self._clock() + ASK_AGAIN_S
        return self._confirm_one_by_one(order_ids)

    def _confirm_one_by_one(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        return [order_id for order_id in order_ids if self.confirm(order_id)]

    def release(self, order_id: UUID) -> None:
        # A confirmed one, too: of an order that was never paid, the order service has confirmed none.
        url = f"{self._url(order_id)}?return=true"
        reply = call(self._http, "DELETE", url, retries=once(FOLLOW_UP_DEADLINE_S))
        if reply.status != 204:
            raise unusable(reply)

    def _url(self, order_id: UUID) -> str:
        return f"{self._reservations_url}{order_id}/"


class CheckingProducts:
    """A product service that has only `GET /api/products/{id}/`: existence and stock are checked, nothing is held."""

    def __init__(self, http: HttpClient, *, deadline_s: float) -> None:
        self._http = http
        self._retries = _retries(deadline_s)

    def prices(self, lines: Sequence[LineAsked]) -> Mapping[int, Decimal]:
        """Reserving holds nothing, so it may as well tell them."""
        return {}

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        found: list[LineFound] = []
        reasons: list[str] = []
        for line in lines:
            product = _product(self._http, line, self._retries)
            if product is None:
                reasons.append(states.PRODUCT_NOT_FOUND.format(product_id=line.product_id))
                continue
            line_found, stock = product
            found.append(line_found)
            if stock < line.quantity:
                reasons.append(states.PRODUCT_OUT_OF_STOCK.format(product_id=line.product_id))
        return NotReserved(reasons[0], tuple(found)) if reasons else Reserved(tuple(found))

    def confirm(self, order_id: UUID) -> bool:
        return True

    def confirm_all(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        return order_ids

    def release(self, order_id: UUID) -> None:
        """Nothing was held."""


def _retries(deadline_s: float) -> RetryPolicy:
    # A lost connection or a restart of the peer is over within the second; longer outages end the order.
    return RetryPolicy(attempts=3, first_wait_s=0.1, max_wait_s=1.0, deadline_s=deadline_s)


def _product(http: HttpClient, line: LineAsked, retries: RetryPolicy) -> tuple[LineFound, int] | None:
    """A product as a line, and its stock; None when there is no such product."""
    reply = call(http, "GET", f"{http.base_url}{line.product_id}/", retries=retries)
    if peers.is_missing(reply):
        return None
    if reply.status != 200:
        raise unusable(reply)
    try:
        peers.whole_number(reply.body, "id", least=line.product_id, most=line.product_id)
        stock = peers.whole_number(reply.body, "stock", least=0)
        name, price = peers.text(reply.body, "name"), peers.amount(reply.body, "price")
    except peers.Unusable as problem:
        raise unusable(reply, problem.why) from problem
    return LineFound(line.product_id, name, price, line.quantity), stock


def _refusal(reply: Reply, asked: Sequence[LineAsked]) -> NotReserved:
    """404 and 409 are the product service's "no"; anything else is not an answer to this question."""
    reason = _REASONS.get(peers.code_of(reply, otherwise=""))
    if reason is not None and reply.status in (404, 409):
        named = peers.whole_number(reply.body, "product_id", least=1)
        if all(line.product_id != named for line in asked):
            raise peers.Unusable("product_id is not one that was asked for")
        return NotReserved(reason.format(product_id=named), _lines(reply.body, asked))
    if reply.status in (400, 409, 422):
        return NotReserved(states.STOCK_NOT_HELD, ())
    raise peers.Unusable("no answer to this question")


# The product service's own words for a reservation that cannot be sold.
_NOTHING_IS_HELD: Final = frozenset(
    {"reservation_not_found", "reservation_released", "out_of_stock", "product_not_found"}
)
_REASONS: Final = {"product_not_found": states.PRODUCT_NOT_FOUND, "out_of_stock": states.PRODUCT_OUT_OF_STOCK}


def _sold(body: Any, asked: Sequence[UUID]) -> Collection[UUID]:
    """Those of which it is said that they are sold, each once."""
    ids = {str(order_id): order_id for order_id in asked}
    return [
        ids.pop(peers.word(item, "id", ids))
        for item in peers.members(body, "items", at_most=len(asked))
        if type(item) is dict and item.get("status") == "CONFIRMED"
    ]


def _all_lines(body: Any, asked: Sequence[LineAsked]) -> tuple[LineFound, ...]:
    """Every line that was asked for."""
    found = _lines(body, asked)
    if len(found) != len(asked):
        raise peers.Unusable("items has less than was asked for")
    return found


def _lines(body: Any, asked: Sequence[LineAsked]) -> tuple[LineFound, ...]:
    """The lines of an answer, in the order in which they were asked for: none but those, and none twice."""
    wanted = {line.product_id: line.quantity for line in asked}
    found: dict[int, LineFound] = {}
    for item in peers.members(body, "items", at_most=len(asked)):
        product_id = peers.whole_number(item, "product_id", least=1)
        quantity = wanted.get(product_id)
        if quantity is None or product_id in found:
            raise peers.Unusable("items has a product that was not asked for, or twice")
        peers.whole_number(item, "quantity", least=quantity, most=quantity)
        found[product_id] = LineFound(product_id, peers.text(item, "name"), peers.amount(item, "unit_price"), quantity)
    return tuple(found[product_id] for product_id in wanted if product_id in found)
