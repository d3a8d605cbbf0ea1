"""A peer as this process sees it: whether it is worth asking, and how many may wait for it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from servicekit.load import slot
from servicekit.load.circuit_breaker import BreakerPolicy, CircuitBreaker, CircuitOpen, State
from servicekit.load.limiter import ConcurrencyLimiter, Full

log = structlog.get_logger()

# The worst of all processes that count together; a process that has ended leaves what it saw last.
_STATE: Final = Gauge(
    "downstream_state",
    "Whether a peer is asked: 0 closed (it is), 1 half open (one call at a time tries), 2 open (it is not).",
    ("downstream",),
    multiprocess_mode="livemax",
)
_CHANGES: Final = Counter(
    "downstream_changes", "How often that has changed, by what it changed to.", ("downstream", "to")
)
_REJECTED: Final = Counter(
    "downstream_not_asked",
    "Calls that were not made: open (the peer did not work a moment ago), full (too many wait for it already).",
    ("downstream", "reason"),
)
_STATE_VALUES: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


# How long a call waits for another one's end: enough for a burst, and nothing next to a peer's own time-outs.
ROOM_WAIT_S: Final = 1.0
OPEN: Final = "open"
FULL: Final = "full"


class CallRejected(Exception):
    """The peer was not asked: its circuit is `open`, or too many wait for it already (`full`)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Call:
    """One call. It has failed if it raises, or if it says so."""

    has_failed = False

    def failed(self) -> None:
        """The peer gave no answer, or one that says that it does not work. A refusal is an answer."""
        self.has_failed = True


class Dependency:
    """One peer. Safe between threads.

    Args:
        calls: How many may wait for it at once, so that a slow peer does not get every thread.
        room_wait_s: How long one more waits for room.
    """

    def __init__(self, name: str, policy: BreakerPolicy, *, calls: int, room_wait_s: float = ROOM_WAIT_S) -> None:
        self.name = name
        self._breaker = CircuitBreaker(policy, on_change=self._report)
        self._limiter = ConcurrencyLimiter(slots=calls, in_flight=0)
        self._room_wait_s = room_wait_s
        _STATE.labels(name).set(_STATE_VALUES[State.CLOSED])

    @property
    def state(self) -> State:
        return self._breaker.state

    def has_room(self) -> bool:
        """Whether there is room for a call now, or soon."""
        try:
            self._acquire()
        except Full:
            return False
        self._limiter.release()
        return True

    @contextmanager
    def guard(self) -> Iterator[Call]:
        """Around each call. Raises CallRejected, and then nothing was sent."""
        self._acquire_or_reject()
        call = Call()
        succeeded = False
        try:
            period = self._admit()
            try:
                yield call
                succeeded = not call.has_failed
            finally:
                self._breaker.record(period, succeeded=succeeded)
        finally:
            self._limiter.release()

    def _acquire_or_reject(self) -> None:
        try:
            self._acquire()
        except Full as full:
            _REJECTED.labels(self.name, FULL).inc()
            raise CallRejected(FULL) from full

    def _acquire(self) -> None:
        try:
            self._limiter.acquire(wait_s=0)
        except Full:
            with slot.released():
                self._limiter.acquire(wait_s=self._room_wait_s)

    def _admit(self) -> int:
        try:
            return self._breaker.admit()
        except CircuitOpen as refusal:
            _REJECTED.labels(self.name, OPEN).inc()
            raise CallRejected(OPEN) from refusal

    def _report(self, state: State) -> None:
        _STATE.labels(self.name).set(_STATE_VALUES[state])
        _CHANGES.labels(self.name, state.value).inc()
        log.warning("downstream.changed", downstream=self.name, state=state.value)
