"""Letting stock go: when somebody asks for it, and by itself when nobody needs it any more.

Until callers have keys, anybody can ask; so it is the order that is asked (docs/adr/0028). Nothing here is in a
transaction while it is. What it said stays true: an order that has ended, or never was, never needs its stock again.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from django.conf import settings
from django.utils import timezone

from product_stub.catalog import clients, reads, writes
from product_stub.catalog.clients import Need, Orders
from product_stub.catalog.errors import OrderNeedsStock, OrderServiceUnavailable
from product_stub.catalog.models import Reservation
from product_stub.catalog.states import Status
from servicekit.idempotency.keys import purge_once
from servicekit.runtime import workers

log = structlog.get_logger()

# Rows that one round looks through: a millisecond or two.
SCANNED: Final = 1000
# Orders that one round asks for: few enough that SIGTERM is heard soon.
ASKED: Final = 20
# Reservations that are remembered to be asked about; until those are done no more are looked for.
REMEMBERED: Final = 10_000


def release(reservation_id: str, *, return_sold: bool, orders: Orders | None = None) -> None:
    """Put stock back, unless its order needs it. Safe to repeat.

    While the order service cannot be asked, stock that is only held goes back: should the order need it after all,
    confirming it is refused, and the order is refunded. Sold stock does not: it would be sold twice.

    Raises:
        ReservationConfirmed: it is sold, and `return_sold` is not set.
        OrderNeedsStock: the order is waiting for it, or paid.
        OrderServiceUnavailable: it is sold, and whether it was refunded cannot be found out now.
    """
    asked = orders or clients.order_service()

    def check(reservation: Reservation) -> None:
        try:
            need = asked.need_of(reservation.uid)
        except OrderServiceUnavailable:
            if reservation.status == Status.CONFIRMED:
                raise
            return
        if need is not Need.NONE:
            raise OrderNeedsStock

    writes.release(reservation_id, return_sold=return_sold, check=check)


@dataclass(frozen=True)
class _Due:
    reservation_id: str
    at: datetime


class Expiry:
    """Releases what was held for too long and belongs to no order that needs it.

    Goes through the reservations once, oldest first, and remembers those that are held. So holding stock, which each
    order does, costs nothing here; after a restart it goes through all of them again, a thousand at a time.
    """

    def __init__(
        self, orders: Orders, *, after_s: float, now: Callable[[], datetime] = timezone.now, scanned: int = SCANNED
    ) -> None:
        self._orders = orders
        self._after = timedelta(seconds=after_s)
        self._now = now
        self._scanned = scanned
        self._seen_up_to = 0
        self._due: deque[_Due] = deque()

    def run_once(self) -> int:
        """Look through the next reservations and ask about those that are due; return how many that were."""
        now = self._now()
        return self._look(now) + self._ask(now)

    def _look(self, now: datetime) -> int:
        if len(self._due) >= REMEMBERED:
            return 0
        found = reads.reservations_after(self._seen_up_to, older_than=now - self._after, limit=self._scanned)
        for number, reservation_id, status in found:
            self._seen_up_to = number
            if status == Status.HELD:
                # First come what has just become due, then what was asked about before.
                self._due.appendleft(_Due(reservation_id, now))
        return len(found)

    def _ask(self, now: datetime) -> int:
        """Ends at the first that cannot be asked about, for the others could not be either; that comes last then."""
        for asked in range(ASKED):
            if not self._due or self._due[0].at > now:
                return asked
            reservation_id = self._due.popleft().reservation_id
            later = _Due(reservation_id, now + self._after)
            work, retry_later = partial(self._ask_about, later), partial(self._ask_later, later)
            if workers.isolated("expire", reservation_id, work, retry_later=retry_later) is False:
                return 0
        return ASKED

    def _ask_about(self, later: _Due) -> bool:
        """Whether the order service could be asked, if it had to be."""
        if not writes.is_held(later.reservation_id):
            return True
        try:
            need = self._orders.need_of(later.reservation_id)
        except OrderServiceUnavailable:
            self._due.append(later)
            log.info("reservation.order_service_unavailable", waiting=len(self._due))
            return False
        if need is Need.NONE:
            writes.expire(later.reservation_id)
        elif need is Need.WAITING:
            self._due.append(later)
        return True

    def _ask_later(self, later: _Due, _why: str) -> None:
        self._due.append(later)


def jobs() -> Sequence[tuple[str, workers.Job]]:
    """The worker's jobs, by name."""
    expiry = Expiry(clients.order_service(), after_s=settings.RESERVATION_EXPIRES_AFTER_S)
    return (("expire", expiry.run_once), ("purge", purge_once))
