"""Carries committed events to a publisher: oldest first, each aggregate's in order, at least once.

One relay works at a time (`lease.py`). An event is marked only once it is acknowledged, so a crash in between publishes
it again and never loses it. See docs/adr/0012.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

import structlog
from django.db import transaction
from prometheus_client import Counter

from servicekit.events import outbox
from servicekit.events.lease import LEASE_S, Lease, LeaseLost
from servicekit.events.publishers.base import Outcome, Publisher, Refusal
from servicekit.retry import Backoff

log = structlog.get_logger()

# Large enough that a query costs little per event, small enough to mark within one short transaction.
BATCH: Final = 2000
# How long a run goes on while there is something to publish: the worker has other jobs. The first run waits that long
# for a broker that does not answer, each later one only looks whether it does by now.
BUDGET_S: Final = 3.0
GLANCE_S: Final = 0.1
# When all is sent, new events gather for a while: a round for each would take the processor from the requests.
GATHER_S: Final = 0.2
# How soon to look whether another relay is gone.
ANOTHER_WORKS_S: Final = 1.0
# After a refusal that may not last.
REFUSED: Final = Backoff(first_s=0.5, longest_s=30.0)

_PUBLISHED: Final = Counter("events_published", "Events that this process published.")
_REFUSED: Final = Counter("events_refused", "Events that were not taken, at each try.", ("error",))


class Relay:
    """Publishes what waits, a run at a time. What is on its way to the broker stays so between two runs."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        batch: int = BATCH,
        monotonic: Callable[[], float] = time.monotonic,
        fan_out: Callable[[Collection[int]], object] = len,
    ) -> None:
        """`fan_out` takes the positions that are marked, in the transaction that does: whoever else is to have them."""
        self._publisher = publisher
        self._fan_out = fan_out
        self._batch = batch
        self._monotonic = monotonic
        self._lease = Lease(lease_s=LEASE_S)
        self._acknowledged: list[int] = []
        # Up to this position, one at a time: there is one among them that the broker never takes.
        self._alone_to = outbox.BEFORE_ALL
        self._refusals_in_a_row = 0
        self._glances = 0
        self._rests_until = 0.0

    def run_once(self) -> int:
        """Publish for a while; returns how many events were marked as published."""
        if self._monotonic() < self._rests_until:
            return 0
        try:
            if not self._may_work():
                return 0
            marked = self._take_up() + self._go_on()
        except LeaseLost:
            log.warning("relay.lease_lost", outstanding=self._publisher.outstanding, unmarked=len(self._acknowledged))
            self._publisher.forget()
            self._acknowledged.clear()
            return 0
        if marked:
            log.info("events.published", count=marked)
        return marked

    def _may_work(self) -> bool:
        if self._publisher.outstanding or self._acknowledged:
            self._lease.renew()
            return True
        if not outbox.sendable().exists():
            return False
        if not self._lease.take():
            self._rest(ANOTHER_WORKS_S)
            return False
        return True

    def _take_up(self) -> int:
        """What an earlier run left: acknowledged but not marked, or not answered by the broker."""
        outcome = Outcome()
        if self._publisher.outstanding:
            outcome = self._publisher.publish_in_order((), leave=0, within_s=GLANCE_S)
            self._glances += 1
        marked = self._settle(outcome)
        self._must_begin_anew(outcome.refused, alone=False)
        if not self._publisher.outstanding:
            self._glances = 0
        elif self._glances & (self._glances - 1) == 0:  # the first, then ever less often
            log.warning("events.unanswered", outstanding=self._publisher.outstanding, glances=self._glances)
        return marked

    def _go_on(self) -> int:
        """What waits, from the oldest on: to the end, to a refusal, or until the time is up."""
        if self._publisher.outstanding or self._monotonic() < self._rests_until:
            return 0
        marked, after = 0, outbox.BEFORE_ALL
        deadline = self._monotonic() + BUDGET_S
        while (left_s := deadline - self._monotonic()) > 0:
            size = 1 if after < self._alone_to else self._batch
            events = outbox.read(after=after, limit=size)
            # The next batch is read and handed over while this one is on its way.
            leave = size if size > 1 and len(events) == size else 0
            outcome = self._publisher.publish_in_order(events, leave=leave, within_s=left_s)
            is_end = len(events) < size and not self._publisher.outstanding and not outcome.refused
            marked += self._settle(outcome, alone=size == 1, is_end=is_end)
            if self._must_begin_anew(outcome.refused, alone=size == 1) or len(events) < size:
                break
            after = events[-1].position
            self._alone_to = self._alone_to if after < self._alone_to else outbox.BEFORE_ALL
        return marked

    def _settle(self, outcome: Outcome, *, alone: bool = False, is_end: bool = False) -> int:
        """Write down what became of events, unless another relay has taken over; the lease ends where all is done."""
        self._acknowledged += outcome.acknowledged
        dead = {position: refusal.detail for position, refusal in outcome.refused.items() if refusal.is_permanent}
        if not alone:
            dead = {}
        if not (self._acknowledged or dead or is_end):
            return 0
        with transaction.atomic():
            self._lease.renew(for_s=0.0 if is_end else LEASE_S)
            marked = outbox.mark(self._acknowledged)
            if self._acknowledged:
                self._fan_out(self._acknowledged)
            outbox.bury(dead)
        self._acknowledged.clear()
        _PUBLISHED.inc(marked)
        if marked:
            self._refusals_in_a_row = 0
        if is_end:
            self._rest(GATHER_S)
        return marked

    def _must_begin_anew(self, refused: Mapping[int, Refusal], *, alone: bool) -> bool:
        """Whether the run must end because of refusals; and what the next one does about them."""
        for position, refusal in refused.items():
            _REFUSED.labels(refusal.error).inc()
            if refusal.is_permanent and alone:
                log.error("event.dead", position=position, error=refusal.error, detail=refusal.detail)
        passing = [position for position, refusal in refused.items() if not refusal.is_permanent]
        if not alone:
            self._alone_to = max({*refused}.difference(passing), default=self._alone_to)
        if passing:
            wait_s = REFUSED.wait_s(self._refusals_in_a_row)
            self._refusals_in_a_row += 1
            self._rest(wait_s)
            first = refused[passing[0]]
            log.error("events.refused", count=len(passing), error=first.error, detail=first.detail, retry_in_s=wait_s)
        return bool(passing) or bool(refused and not alone)

    def _rest(self, seconds: float) -> None:
        self._rests_until = self._monotonic() + seconds
