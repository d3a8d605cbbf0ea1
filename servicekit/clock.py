"""The database's clock, for whatever several processes must agree on: leases, waits and expiry.

Two machines may disagree about the time; the one database that they share does not.
"""

from datetime import timedelta
from functools import lru_cache

from django.db.models import DateTimeField, Expression, ExpressionWrapper, Value
from django.db.models.functions import Now


@lru_cache(64)
def seconds_from_now(seconds: float) -> Expression:
    """An SQL expression: the database's time, `seconds` later (earlier when negative)."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())
