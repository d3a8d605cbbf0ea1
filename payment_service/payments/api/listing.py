"""The list of payments: filters, order and pages, at a price that does not grow with the number of payments."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet

from payment_service.payments.models import NOTHING, Payment
from servicekit.web import paging
from servicekit.web.paging import Listed, Place

# Filters by `Payment.amount_shown`, in words that an index with both columns serves. What was taken is never negative.
_BY_AMOUNT_SHOWN: Final[Mapping[str, Callable[[Decimal], Q]]] = {
    "above": lambda bound: Q(captured=0, amount__gt=bound) | Q(captured__gt=max(bound, NOTHING)),
    "below": lambda bound: Q(captured=0, amount__lt=bound) | Q(captured__gt=0, captured__lt=bound),
}


def list_payments(filters: Mapping[str, Any], *, ascending: bool, place: Place) -> Listed[Payment]:
    """One page of the payments that meet all filters, by time of creation.

    A page in the second half is read from the other end, so the last page costs what the first one does.

    Args:
        filters: Lookups on Payment, such as `method`, `taken__in` or `created_at__gte`; `above` and `below` bound the
            amount that is shown.
    """
    by_amount = [condition(filters[name]) for name, condition in _BY_AMOUNT_SHOWN.items() if name in filters]
    by_column = {name: value for name, value in filters.items() if name not in _BY_AMOUNT_SHOWN}
    rows = Payment.objects.filter(*by_amount, **by_column)
    if place.behind is not None:
        return paging.behind(_behind(rows, *place.behind, ascending=ascending), per_page=place.per_page)
    total = rows.count()
    first, last = place.start, min(place.start + place.per_page, total)
    if first >= last:
        return Listed([], total, has_more=False)
    if first <= total // 2:
        found = list(_ordered(rows, ascending=ascending)[first:last])
    else:
        found = list(reversed(_ordered(rows, ascending=not ascending)[total - last : total - first]))
    return Listed(found, total, has_more=last < total)


def _behind(
    rows: QuerySet[Payment], moment: datetime | None = None, number: int = 0, *, ascending: bool
) -> QuerySet[Payment]:
    """The payments behind that position, in order. The first bound alone is what an index is read from."""
    if moment is None:
        return _ordered(rows, ascending=ascending)
    if ascending:
        rows = rows.filter(Q(created_at__gt=moment) | Q(number__gt=number), created_at__gte=moment)
    else:
        rows = rows.filter(Q(created_at__lt=moment) | Q(number__lt=number), created_at__lte=moment)
    return _ordered(rows, ascending=ascending)


def _ordered(rows: QuerySet[Payment], *, ascending: bool) -> QuerySet[Payment]:
    return rows.order_by("created_at", "number") if ascending else rows.order_by("-created_at", "-number")
