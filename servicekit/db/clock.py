"""The database's clock, for whatever several processes must agree on: leases, waits and expiry.

Two machines may disagree about the time; the one database that they share does not.
"""

from datetime import timedelta
from functools import lru_cache

from django.db.models import DateTimeField, Expression, ExpressionWrapper, Value
from django.db.models.functions import Now


@lru_cache(64)
def seconds_from_now(seconds: float) -> Expression:
    """An SQL expression: the database's time, `seconds` later (earlier when negative).

    The present is never computed: SQLite would keep it as ``.120000`` and, comparing text, take it for later than
    ``.120``, so that what is due now would be due a millisecond after.
    """
    if seconds == 0:
        return Now()
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())
