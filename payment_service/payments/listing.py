"""The list of payments: filters, order and pages, at a price that does not grow with the number of payments."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from payment_service.payments.models import Payment


def list_payments(
    filters: Mapping[str, Any], *, ascending: bool, page: int, per_page: int
) -> tuple[list[Payment], int]:
    """One page of the payments that meet all filters, by time of creation, and how many there are in all.

    A page in the second half is read from the other end, so the last page costs what the first one does.

    Args:
        filters: Lookups on Payment, such as `method`, `taken` or `created_at__gte`.
    """
    rows = Payment.objects.filter(**filters)
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
