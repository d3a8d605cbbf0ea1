"""Closes paid orders, many at a time: their held stock becomes sold in one call, and they end in one transaction.

An order is answered as soon as PAID is committed. What is left is safe: the stock is held for a known order and does
not expire, and the order's step says what comes next. A process that dies here leaves orders whose lease runs out, and
a worker takes those up with this same code (docs/adr/0032).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog
from django.db import IntegrityError

from order_service.orders import saga, writes
from order_service.orders.models import Order
from order_service.orders.ports import Unreachable
from servicekit.errors import StaleRow
from servicekit.observability import spans
from servicekit.observability.spans import Span

log = structlog.get_logger()

# What a product service confirms in one request.
BATCH: Final = 100


class PaidOrder(NamedTuple):
    """A paid order as the holder of its lease has read it, and the trace of the request that it comes from."""

    order: Order
    traceparent: str | None = None


def finish(paid: Sequence[PaidOrder], run: saga.Run) -> None:
    """Sell the stock of paid orders and close them. What is not simply sold goes on by itself, by the saga."""
    # In the trace of each; what is done for all of them is in the first one's.
    first, *others = _spans(paid) if spans.are_on() else [spans.NOTHING]
    with first:
        _finish(paid, run)
    for span in others:
        span.end()


def _spans(paid: Sequence[PaidOrder]) -> list[Span]:
    """Those of the orders whose traces are recorded; never none."""
    begun = []
    for order, traceparent in paid:
        if traceparent is not None:
            about = {"order.id": str(order.uid), "order.step": order.step, "order.outcome": order.status}
            begun.append(spans.root(f"order {order.step}", "internal", about, of=traceparent))
    return [span for span in begun if span.is_recorded] or [spans.NOTHING]


def _finish(paid: Sequence[PaidOrder], run: saga.Run) -> None:
    try:
        sold = set(run.products.confirm_all([order.uid for order, _ in paid]))
    except Unreachable as outage:
        for order, _ in paid:
            saga.postpone(order, outage)
        return
    done = [each for each in paid if each.order.uid in sold]
    rest = [each for each in paid if each.order.uid not in sold]
    try:
        if done:
            writes.close_all(done, outcome=saga.SOLD)
    except (StaleRow, IntegrityError):  # one was cancelled meanwhile, say: the others are closed all the same
        rest = list(paid)
    else:
        saga.note_lag(order for order, _ in done)
    for order, _ in rest:
        _finish_alone(order, run)


def _finish_alone(order: Order, run: saga.Run) -> None:
    try:
        saga.advance(order, run.starting_now())
    except Exception:  # whatever it is: the other orders have nothing to do with it
        log.exception("order.not_finished", order_id=str(order.uid))
        writes.retry_unreadable_later(order.number, why="could not be closed")
