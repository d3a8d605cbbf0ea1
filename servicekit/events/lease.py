"""One relay at a time: a row that says who it is, and until when by the database's clock.

Plain conditional UPDATEs, so it is the same on every engine. A relay that is killed is followed when its lease runs
out; one that was frozen and wakes up finds another holder in the row and writes nothing.
"""

import uuid
from typing import Final

from django.db.models import Q
from django.db.models.functions import Now

from servicekit.db import clock
from servicekit.events.models import RelayLease

# Longer than a relay works without renewing it: its budget for one run. How long a killed one's successor waits.
LEASE_S: Final = 5.0


class LeaseLost(Exception):
    """Another relay has taken over."""


class Lease:
    """This relay's claim. Not for use by several threads."""

    def __init__(self) -> None:
        self._holder = ""

    def take(self) -> bool:
        """Take it if it is free or ours already; whether it is ours now. Call it outside a transaction."""
        previous, self._holder = self._holder, uuid.uuid4().hex
        free = RelayLease.objects.filter(Q(held_until__lte=Now()) | Q(holder=previous), pk=RelayLease.ONLY)
        taken = {"holder": self._holder, "held_until": clock.seconds_from_now(LEASE_S)}
        if free.update(**taken):
            return True
        if RelayLease.objects.exists():
            return False
        RelayLease.objects.bulk_create([RelayLease(held_until=Now())], ignore_conflicts=True)
        return bool(free.update(**taken))

    def renew(self, *, for_s: float = LEASE_S) -> None:
        """Keep it for longer, or give it back with 0.

        In the transaction of a write that only the holder may do, this is the fence: until the commit nobody can take
        the lease over, and whoever has taken it already makes the write fail.

        Raises:
            LeaseLost: it is another's by now.
        """
        ours = RelayLease.objects.filter(pk=RelayLease.ONLY, holder=self._holder)
        if not ours.update(held_until=clock.seconds_from_now(for_s)):
            raise LeaseLost
