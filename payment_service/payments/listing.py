"""The list of payments: filters, order and pages, at a price that does not grow with the number of payments."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet

from payment_service.payments.models import NOTHING, Payment

# Filters by `Payment.amount_shown`, in words that an index with both columns serves. What was taken is never negative.
_BY_AMOUNT_SHOWN: Final[Mapping[str, Callable[[Decimal], Q]]] = {
    "above": lambda bound: Q(captured=0, amount__gt=bound) | Q(captured__gt=max(bound, NOTHING)),
    "below": lambda bound: Q(captured=0, amount__lt=bound) | Q(captured__gt=0, captured__lt=bound),
}


def list_payments(
    filters: Mapping[str, Any], *, ascending: bool, page: int, per_page: int
) -> tuple[list[Payment], int]:
    """One page of the payments that meet all filters, by time of creation, and how many there are in all.

    A page in the second half is read from the other end, so the last page costs what the first one does.

    Args:
        filters: Lookups on Payment, such as `method`, `taken__in` or `created_at__gte`; `above` and `below` bound the
            amount that is shown.
    """
    by_amount = [condition(filters[name]) for name, condition in _BY_AMOUNT_SHOWN.items() if name in filters]
    by_column = {name: value for name, value in filters.items() if name not in _BY_AMOUNT_SHOWN}
    rows = Payment.objects.filter(*by_amount, **by_column)
    total = rows.count()
    first, last = (page - 1) * per_page, min(page * per_page, total)
    if first >= last:
        return [], total
    if first <= total // 2:
        return list(_ordered(rows, ascending=ascending)[first:last]), total
    backwards = _ordered(rows, ascending=not ascending)[total - last : total - first]
    return list(reversed(backwards)), total


def _ordered(rows: QuerySet[Payment], *, ascending: bool) -> QuerySet[Payment]:
    return rows.order_by("created_at", "number") if ascending else rows.order_by("-created_at", "-number")
