"""How long a consumer remembers which events it has taken."""

from datetime import timedelta
from typing import Final

from servicekit import clock
from servicekit.inbox.models import Consumed

# A broker keeps messages for 7 days unless it is told otherwise, and a group that starts anew gets all of them again.
# Twice that; whoever keeps a topic longer keeps these rows longer, too.
DEFAULT_KEPT_DAYS: Final = 14
# One purge statement's size, so that it never holds the write lock for long.
PURGE_BATCH: Final = 500


def purge_once(kept_days: float = DEFAULT_KEPT_DAYS) -> int:
    """Forget events that were taken longer ago; return how many."""
    moment = clock.seconds_from_now(-timedelta(days=kept_days).total_seconds())
    doomed = list(Consumed.objects.filter(consumed_at__lt=moment).values_list("pk", flat=True)[:PURGE_BATCH])
    Consumed.objects.filter(pk__in=doomed).delete()
    return len(doomed)
