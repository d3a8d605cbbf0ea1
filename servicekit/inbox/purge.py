"""How long a consumer remembers which events it has taken."""

from datetime import timedelta
from typing import Final

from servicekit.db import clock
from servicekit.inbox.models import Consumed

# One purge statement's size, so that it never holds the write lock for long.
PURGE_BATCH: Final = 500


def purge_once(kept_days: float) -> int:
    """Forget events that were taken longer ago; return how many. Days: more than the topics keep a message."""
    moment = clock.seconds_from_now(-timedelta(days=kept_days).total_seconds())
    doomed = list(Consumed.objects.filter(consumed_at__lt=moment).values_list("pk", flat=True)[:PURGE_BATCH])
    Consumed.objects.filter(pk__in=doomed).delete()
    return len(doomed)
