"""How long a consumer remembers which events it has taken."""

from datetime import timedelta

from servicekit.db import purge
from servicekit.inbox.models import Consumed


def purge_once(kept_days: float) -> int:
    """Forget events that were taken longer ago; return how many. Days: more than the topics keep a message."""
    than_s = timedelta(days=kept_days).total_seconds()
    return purge.delete_older(Consumed.objects.all(), "consumed_at", than_s=than_s)
