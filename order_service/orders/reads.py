"""Reads."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from order_service.orders.errors import OrderNotFound
from order_service.orders.models import Order
from order_service.orders.states import Step
from servicekit.events import store
from servicekit.web import paging
from servicekit.web.fields import MAX_ID
from servicekit.web.paging import Listed, Place

# Events in one answer. An order has a dozen; a client that has its payment looked at again and again makes more.
MAX_EVENTS: Final = 1000
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)

# Filter name of the list → the query that it becomes.
_FILTERS: Final = {
    "status": "status",
    "customer_name": "customer_name",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
}


# Waits for its customer, not for us.
AWAITS_PAYMENT: Final = Q(pay_later=True, step=Step.RESERVED.value, due_at__gt=Now(), expires_at__gt=Now())

# That a column is not NULL, in words for which SQLite, too, reads the index.
_EVER: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def get_order(reference: str | UUID) -> Order:
    """The order with this UUID or this order number.

    Raises OrderNotFound for whatever is neither, too.
    """
    order = _lookup(reference).first()
    if order is None:
        raise OrderNotFound
    return order


def order_by_number(number: int) -> Order:
    """The order that has this number."""
    return Order.objects.get(pk=number)


def list_orders(
    *, place: Place, filters: dict[str, str | datetime], unfinished_for: int | None = None
) -> Listed[Order]:
    """One page of the orders that fit all filters, newest first, with their lines."""
    fitting = Order.objects.all()
    if unfinished_for is not None:
        # As a query within it, so that the list's own order does not keep a database from reading the small index.
        fitting = fitting.filter(pk__in=unfinished(for_s=unfinished_for).order_by().values("pk"))
    fitting = fitting.filter(**{_FILTERS[name]: value for name, value in filters.items()})
    return paging.page_of(fitting.prefetch_related("lines"), place, newest_first=True)


def unfinished(*, for_s: float = 0) -> QuerySet[Order]:
    """Orders in the saga's hands for so many seconds, with `since` when. Reads the small index of those due."""
    since = Coalesce("unsettled_since", "updated_at")
    in_hand = Order.objects.filter(~AWAITS_PAYMENT, due_at__gt=_EVER).annotate(since=since)
    return in_hand.filter(since__lte=datetime.now(timezone.utc) - timedelta(seconds=for_s)) if for_s else in_hand


def awaiting_payment() -> QuerySet[Order]:
    """Orders to be paid later that still have time. Reads the same index."""
    return Order.objects.filter(AWAITS_PAYMENT, due_at__gt=_EVER)


def due_orders(*, batch: int) -> Collection[int]:
    """The numbers of orders that a worker should take up now, those that waited longest first."""
    return list(Order.objects.filter(due_at__lte=Now()).order_by("due_at").values_list("number", flat=True)[:batch])


def trail_of(order: Order) -> list[dict[str, Any]]:
    """The order's audit trail, oldest first; of a very long one its newest part."""
    return store.of("order", str(order.uid), newest=MAX_EVENTS)


def _lookup(reference: str | UUID) -> QuerySet[Order]:
    if isinstance(reference, UUID):
        return Order.objects.filter(uid=reference)
    if _NUMBER.fullmatch(reference):
        return Order.objects.filter(number=min(int(reference), MAX_ID))
    # Python's own UUIDs may be written in the digits of any script.
    return Order.objects.filter(uid=UUID(reference)) if _UUID.fullmatch(reference) else Order.objects.none()
