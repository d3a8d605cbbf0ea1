"""The orders as the check across the services compares them with the other books."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings

from order_service.orders.models import Order
from order_service.orders.states import Status
from servicekit import money
from servicekit.idempotency.invariants import uuids_in
from servicekit.invariants.snapshot import in_batches


def books(ids: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
    """Each order, or those with these ids."""
    orders = Order.objects.prefetch_related("lines")
    if ids is not None:
        orders = orders.filter(uid__in=uuids_in(ids))
    for lines in in_batches(orders, lambda some: [_line(order) for order in some]):
        yield from lines


def _line(order: Order) -> Mapping[str, Any]:
    return {
        "id": str(order.uid),
        "version": order.version,
        "status": order.status,
        "step": order.step,
        "is_waiting": order.waits_for_its_customer and order.status == Status.PENDING,
        "total": money.two_decimals(order.total_amount),
        "currency": order.currency,
        "may_be_charged": order.may_be_charged,
        "refund_blocked": bool(order.refund_blocked),
        "holds_stock": settings.PRODUCT_RESERVATIONS,
        "items": {str(line.product_id): line.quantity for line in order.known_lines()},
    }
