"""Delivers what waits: each at least once, by one process at a time (`servicekit.events.lease`).

What was sent and is not written down yet is sent again by whoever comes after a crash, under the same `webhook-id`. The
lease is the fence: who has lost it writes nothing. Messages are sent by threads that know no database; this one reads,
hands over, and writes down what came back, many at once.
"""

import collections
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Final

import structlog
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from prometheus_client import Counter, Histogram

from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction
from servicekit.events.lease import LEASE_S, Lease, LeaseLost
from servicekit.events.models import RelayLease
from servicekit.settings.webhooks import WebhookSettings
from servicekit.webhooks import deliveries, endpoints, fan_out, sending, signing
from servicekit.webhooks.models import MAX_ANSWER_LENGTH, MAX_REASON_LENGTH, Attempt, Delivery, Endpoint, State
from servicekit.webhooks.pool import Pool
from servicekit.webhooks.sending import Answer, Message, Sender

log = structlog.get_logger()

# How long a run goes on while there is something to do, and how long it waits for an answer before it looks for more.
BUDGET_S: Final = 1.0
WAIT_S: Final = 0.05
# How long answers gather: a commit for each would take longer than what it writes down.
GATHER_S: Final = 0.005
# How soon to look whether another process is gone.
ANOTHER_WORKS_S: Final = 1.0
# How often to look for what is rare: deliveries to endpoints that are disabled, events that wait for their broker.
SWEEP_EVERY_S: Final = 5.0
LATE_EVERY_S: Final = 1.0
# How much longer than the schedule says a wait may be, so that what failed together does not come again together.
JITTER: Final = 0.2
MOST_RETRY_AFTER_S: Final = 86_400.0

_ATTEMPTS: Final = Counter(
    "webhook_attempts", "Attempts of this process to deliver a webhook, by what became of it.", ("outcome",)
)
_DURATION: Final = Histogram(
    "webhook_attempt_duration_seconds",
    "How long those took.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15),
)


@dataclass(frozen=True)
class _UnderWay:
    """One delivery, as it was read."""

    number: int
    endpoint: int
    host: str
    failures: int


Ended = tuple[_UnderWay, Answer]


class Deliverer:
    """Sends what is due, a run at a time. What is on its way stays so between two runs."""

    def __init__(
        self,
        sender: Sender,
        settings: WebhookSettings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        record_late: Callable[[], int] = lambda: 0,
    ) -> None:
        """`record_late` is asked now and then for events that their broker keeps waiting (`FanOut.record_late`)."""
        self._sender = sender
        self._settings = settings
        self._monotonic = monotonic
        self._jitter = jitter
        self._record_late = record_late
        self._lease = Lease(RelayLease.WEBHOOKS, lease_s=LEASE_S)
        self._is_ours = False
        self._pool: Pool[_UnderWay, Answer] = Pool()
        self._under_way: dict[int, _UnderWay] = {}
        self._turn = 0
        self._rests_until = self._sweeps_at = self._late_at = 0.0

    def run_once(self) -> int:
        """Deliver for a while; returns how many attempts were made."""
        if self._monotonic() < self._rests_until:
            return 0
        try:
            return self._deliver() if self._may_work() else 0
        except LeaseLost:
            log.warning("webhooks.lease_lost", under_way=len(self._under_way))
            self._forget()
            return 0

    def finish(self, *, within_s: float = 3.0) -> None:
        """Write down what comes back soon, and give the lease to the next; whatever is still out is sent again."""
        deadline = self._monotonic() + within_s
        try:
            while self._under_way and self._monotonic() < deadline:
                self._write_down(self._ended())
            if self._is_ours:
                self._lease.renew(for_s=0.0)
        except LeaseLost:
            self._forget()

    def _may_work(self) -> bool:
        if self._is_ours:
            self._lease.renew()
            return True
        if not Endpoint.objects.filter(is_enabled=True).exists() and not _waiting().exists():
            return False
        self._is_ours = self._lease.take()
        if not self._is_ours:
            self._rests_until = self._monotonic() + ANOTHER_WORKS_S
        return self._is_ours

    def _deliver(self) -> int:
        made, deadline = 0, self._monotonic() + BUDGET_S
        self._sweep()
        while True:
            began = self._begin()
            if not self._under_way:
                break
            made += self._write_down(self._ended())
            if self._monotonic() > deadline:
                break
        if not self._under_way and not began:
            self._lease.renew(for_s=0.0)
            self._is_ours = False
        return made

    def _sweep(self) -> None:
        """What is seldom needed, now and then."""
        now = self._monotonic()
        if now >= self._late_at:
            self._late_at = now + LATE_EVERY_S
            fan_out.settle()
            self._record_late()
        if now >= self._sweeps_at:
            self._sweeps_at = now + SWEEP_EVERY_S
            # Recorded by somebody who had not seen yet that it was disabled.
            late = _waiting().filter(endpoint__is_enabled=False).order_by()
            for number, reason in late.values_list("endpoint", "endpoint__disabled_reason").distinct():
                endpoints.end_waiting(number, reason)

    def _begin(self) -> int:
        """Hand over what is due, as much as there is room for; returns how much.

        Each endpoint has its turn, and one that fails has one request at a time.
        """
        asking = list(Endpoint.objects.filter(is_enabled=True).order_by("number"))
        if not asking:
            return 0
        self._turn = (self._turn + 1) % len(asking)
        at_host = collections.Counter(each.host for each in self._under_way.values())
        began = 0
        for endpoint in asking[self._turn :] + asking[: self._turn]:
            host = endpoints.host_of(endpoint)
            own = [each.number for each in self._under_way.values() if each.endpoint == endpoint.number]
            room = min(self._pool.free, self._settings.at_once - at_host[host])
            if endpoint.failing_since is not None:  # or its time-outs would keep all others at the host waiting
                room = min(room, 1 - len(own))
            if room <= 0:
                continue
            found = list(_due(endpoint).exclude(pk__in=own)[:room])
            for delivery in found:
                self._hand_over(endpoint, host, delivery)
            at_host[host] += len(found)
            began += len(found)
        return began

    def _hand_over(self, endpoint: Endpoint, host: str, delivery: Delivery) -> None:
        body = deliveries.body_of(delivery, limit=sending.MAX_BODY_BYTES)
        message_id, keys = deliveries.message_id_of(delivery), endpoints.keys_of(endpoint)
        headers = partial(_headers, message_id, body, keys)
        about = _UnderWay(delivery.pk, endpoint.pk, host, delivery.failures)
        self._under_way[delivery.pk] = about
        self._pool.begin(about, partial(self._sender.send, Message(endpoint.url, body, headers)))

    def _ended(self) -> list[Ended]:
        """What has come back, together with what comes back right after it."""
        found = self._pool.ended(within_s=WAIT_S)
        if found and self._pool.under_way:
            time.sleep(GATHER_S)
            found += self._pool.ended(within_s=0.0)
        ended = []
        for about, answer in found:
            if self._under_way.get(about.number) is about:  # else it belongs to a lease that was lost
                ended.append((about, answer if isinstance(answer, Answer) else _crashed(answer)))
        return ended

    def _write_down(self, ended: Sequence[Ended]) -> int:
        if ended:
            self._record(ended)
        elif self._under_way:
            self._lease.renew()
        for about, answer in ended:
            del self._under_way[about.number]
            _ATTEMPTS.labels("delivered" if answer.is_success else "failed").inc()
            _DURATION.observe(answer.duration_ms / 1000)
        return len(ended)

    @in_one_transaction
    def _record(self, ended: Sequence[Ended]) -> None:
        """Write down what became of some attempts, unless another process has taken over."""
        self._lease.renew()
        Attempt.objects.bulk_create([_attempt(about, answer) for about, answer in ended])
        arrived = [about for about, answer in ended if answer.is_success]
        if arrived:
            waiting = _waiting().filter(pk__in=[about.number for about in arrived])
            done = {"state": State.DELIVERED, "reason": "", "due_at": None, "ended_at": Now()}
            waiting.update(tries=F("tries") + 1, **done)
            well = Endpoint.objects.filter(pk__in={about.endpoint for about in arrived}, failing_since__isnull=False)
            well.update(failing_since=None)
        for about, answer in ended:
            if not answer.is_success:
                self._record_failure(about, answer)

    def _record_failure(self, about: _UnderWay, answer: Answer) -> None:
        """Try it later, or never again; and see whether its endpoint is worth trying."""
        wait_s = self._wait_s(about.failures, answer)
        written: Mapping[str, object]
        if wait_s is None:
            reason = f"{answer.problem}, at the last of {about.failures + 1} attempts"
            if answer.is_refused or answer.status == sending.GONE:
                reason = answer.problem
            written = {"state": State.DEAD, "reason": reason[:MAX_REASON_LENGTH], "due_at": None, "ended_at": Now()}
        else:
            written = {"due_at": clock.seconds_from_now(wait_s)}
        as_read = _waiting().filter(pk=about.number, failures=about.failures)
        as_read.update(tries=F("tries") + 1, failures=F("failures") + 1, **written)
        log.info("webhook.failed", delivery=about.number, host=about.host, problem=answer.problem, retry_in_s=wait_s)
        enabled = Endpoint.objects.filter(pk=about.endpoint, is_enabled=True)
        enabled.filter(failing_since=None).update(failing_since=Now())
        if answer.status == sending.GONE:
            endpoints.disable(about.endpoint, "it answered 410 Gone", tell_owner=True)
        elif enabled.filter(failing_since__lt=clock.seconds_from_now(-self._settings.disable_after_s)).exists():
            days = self._settings.disable_after_s / 86_400
            endpoints.disable(about.endpoint, f"it has failed for {days:.3g} days: {answer.problem}", tell_owner=True)

    def _wait_s(self, failures: int, answer: Answer) -> float | None:
        """How long until it is tried again; None: never."""
        if answer.is_refused or answer.status == sending.GONE or failures >= len(self._settings.retry_s):
            return None
        wait_s = self._settings.retry_s[failures] * (1 + JITTER * self._jitter())
        return max(wait_s, min(answer.retry_after_s, MOST_RETRY_AFTER_S))

    def _forget(self) -> None:
        """Whatever comes back now is for nobody."""
        self._is_ours = False
        self._under_way.clear()


def _waiting() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=State.WAITING)


def _due(endpoint: Endpoint) -> QuerySet[Delivery]:
    """What may be sent to it now, what is due longest first."""
    due = Delivery.objects.filter(endpoint=endpoint, due_at__lte=Now()).select_related("event")
    if endpoint.is_ordered:
        ahead = deliveries.ahead_of(OuterRef("subject"), OuterRef("endpoint"), OuterRef("event"))
        due = due.exclude(Exists(ahead))
    return due.order_by("due_at", "number")


def _headers(message_id: str, body: bytes, keys: Sequence[str], at: int) -> Mapping[str, str]:
    return signing.headers(message_id, at, body, keys=keys)


def _attempt(about: _UnderWay, answer: Answer) -> Attempt:
    return Attempt(
        delivery_id=about.number,
        at=datetime.fromtimestamp(answer.began, timezone.utc),
        status=answer.status if answer.status is None or 0 <= answer.status < 1000 else None,
        duration_ms=answer.duration_ms,
        answer=answer.text[:MAX_ANSWER_LENGTH],
        problem=answer.problem[:MAX_REASON_LENGTH],
    )


def _crashed(problem: Exception) -> Answer:
    """A defect of ours: said, and tried again."""
    log.error("webhook.send_crashed", exc_info=problem)
    return Answer(time.time(), 0, problem=f"it could not be sent: {type(problem).__name__}")
