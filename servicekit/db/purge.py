"""Forgetting rows that are old, a batch at a time."""

from typing import Any, Final

from django.db.models import QuerySet

from servicekit.db import clock

# One statement's size, so that it never holds the write lock for long.
BATCH: Final = 500


def delete_older(rows: QuerySet[Any], column: str, *, than_s: float, batch: int = BATCH) -> int:
    """Delete a batch of the rows whose `column` is more than `than_s` seconds ago; return how many. NULL is kept."""
    old = rows.filter(**{f"{column}__lt": clock.seconds_from_now(-than_s)}).order_by()
    doomed = list(old.values_list("pk", flat=True)[:batch])
    rows.model._default_manager.filter(pk__in=doomed).delete()
    return len(doomed)
