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
    """This process's claim. Not for use by several threads.

    Args:
        number: What it is for, `RelayLease.ONLY` or another of its row numbers.
    """

    def __init__(self, number: int = RelayLease.ONLY, *, lease_s: float = LEASE_S) -> None:
        self._holder = ""
        self._number = number
        self._lease_s = lease_s

    def take(self) -> bool:
        """Take it if it is free or ours already; whether it is ours now. Call it outside a transaction."""
        previous, self._holder = self._holder, uuid.uuid4().hex
        free = RelayLease.objects.filter(Q(held_until__lte=Now()) | Q(holder=previous), pk=self._number)
        taken = {"holder": self._holder, "held_until": clock.seconds_from_now(self._lease_s)}
        if free.update(**taken):
            return True
        if RelayLease.objects.filter(pk=self._number).exists():
            return False
        RelayLease.objects.bulk_create([RelayLease(number=self._number, held_until=Now())], ignore_conflicts=True)
        return bool(free.update(**taken))

    def renew(self, *, for_s: float | None = None) -> None:
        """Keep it for longer, or give it back with 0.

        In the transaction of a write that only the holder may do, this is the fence: until the commit nobody can take
        the lease over, and whoever has taken it already makes the write fail.

        Raises:
            LeaseLost: it is another's by now.
        """
        ours = RelayLease.objects.filter(pk=self._number, holder=self._holder)
        if not ours.update(held_until=clock.seconds_from_now(self._lease_s if for_s is None else for_s)):
            raise LeaseLost
