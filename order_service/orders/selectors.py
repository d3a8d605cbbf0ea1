"""Reads."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from order_service.orders.errors import OrderNotFound
from order_service.orders.models import Order
from servicekit.events import trail
from servicekit.rest import MAX_ID

# Filter name of the list → the query that it becomes.
_FILTERS: Final = {
    "status": "status",
    "customer_name": "customer_name",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
}


def get_order(reference: str | UUID) -> Order:
    """The order with this UUID or this order number.

    Raises OrderNotFound for whatever is neither, too.
    """
    order = _lookup(reference).first()
    if order is None:
        raise OrderNotFound
    return order


def list_orders(*, page: int, per_page: int, filters: dict[str, str | datetime]) -> tuple[list[Order], int]:
    """One page of the orders that fit all filters, newest first, with their lines; and how many fit in all."""
    fitting = Order.objects.filter(**{_FILTERS[name]: value for name, value in filters.items()})
    start = (page - 1) * per_page
    return list(fitting.order_by("-number").prefetch_related("lines")[start : start + per_page]), fitting.count()


def due_orders(*, batch: int) -> Iterable[Order]:
    """Orders that a worker should take up now, those that waited longest first."""
    return Order.objects.filter(due_at__lte=Now()).order_by("due_at")[:batch]


def trail_of(order: Order) -> list[dict[str, Any]]:
    """The order's audit trail, oldest first."""
    return trail.of("order", str(order.uid))


def _lookup(reference: str | UUID) -> QuerySet[Order]:
    if isinstance(reference, UUID):
        return Order.objects.filter(uid=reference)
    if reference.isascii() and reference.isdigit() and len(reference) <= len(str(MAX_ID)):
        return Order.objects.filter(number=min(int(reference), MAX_ID))
    try:
        return Order.objects.filter(uid=UUID(reference))
    except ValueError:
        return Order.objects.none()
