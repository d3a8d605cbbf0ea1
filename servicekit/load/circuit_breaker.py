"""Circuit breakers: whether a peer is worth asking at all, as far as this process has seen.

After so many failures in a row nobody asks the peer for a while; then one call at a time tries, and the first that
succeeds lets everybody ask again. What counts as a failure is the caller's to say. Why not a library: docs/adr/0014.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Final


class State(str, Enum):
    CLOSED = "closed"  # everybody asks
    OPEN = "open"  # nobody asks
    HALF_OPEN = "half_open"  # one at a time tries


class Trigger(str, Enum):
    """What moves a breaker."""

    TOO_MANY_FAILURES = "too_many_failures"
    TIME_PASSED = "time_passed"
    TRIAL_SUCCEEDED = "trial_succeeded"
    TRIAL_FAILED = "trial_failed"


TRANSITIONS: Final[Mapping[tuple[State, Trigger], State]] = {
    (State.CLOSED, Trigger.TOO_MANY_FAILURES): State.OPEN,
    (State.OPEN, Trigger.TIME_PASSED): State.HALF_OPEN,
    (State.HALF_OPEN, Trigger.TRIAL_SUCCEEDED): State.CLOSED,
    (State.HALF_OPEN, Trigger.TRIAL_FAILED): State.OPEN,
}


@dataclass(frozen=True)
class BreakerPolicy:
    """Opens after `failures` in a row within `within_s` seconds, for `open_s` seconds."""

    failures: int
    within_s: float
    open_s: float


class CircuitOpen(Exception):
    """The peer was not asked."""


class CircuitBreaker:
    """The breaker of one peer. Safe between threads; nothing is held while a call runs.

    `admit` before each call, and `record` after it with what `admit` returned, whatever happened. A call that was
    admitted in another state than the present one says nothing about now, and does not count.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[State], None] = lambda _: None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._lock = Lock()
        self._state = State.CLOSED
        # How often the state has changed.
        self._period = 0
        self._failed_at: deque[float] = deque(maxlen=policy.failures)
        self._opened_at = 0.0
        self._is_being_tried = False

    @property
    def state(self) -> State:
        """For showing. OPEN for long enough is HALF_OPEN, also when nobody has tried yet."""
        with self._lock:
            return State.HALF_OPEN if self._state is State.OPEN and self._has_rested() else self._state

    def admit(self) -> int:
        """Allow one call. Raises CircuitOpen."""
        # Read in this order and without the lock: should the state change in between, the call will not count.
        period = self._period
        return period if self._state is State.CLOSED else self._admit()

    def record(self, period: int, *, succeeded: bool) -> None:
        """Say how an admitted call ended."""
        if succeeded and not self._failed_at and self._state is State.CLOSED:
            return
        with self._lock:
            if period != self._period:
                return
            if self._state is State.HALF_OPEN:
                self._is_being_tried = False
                self._move(Trigger.TRIAL_SUCCEEDED if succeeded else Trigger.TRIAL_FAILED)
            elif succeeded:
                self._failed_at.clear()
            else:
                self._failed_at.append(self._clock())
                if self._has_failed_too_often():
                    self._move(Trigger.TOO_MANY_FAILURES)

    def _admit(self) -> int:
        with self._lock:
            if self._state is State.OPEN and self._has_rested():
                self._move(Trigger.TIME_PASSED)
            if self._state is State.OPEN or self._is_being_tried:
                raise CircuitOpen
            self._is_being_tried = self._state is State.HALF_OPEN
            return self._period

    def _has_failed_too_often(self) -> bool:
        failed_at = self._failed_at
        return len(failed_at) == self._policy.failures and failed_at[-1] - failed_at[0] <= self._policy.within_s

    def _has_rested(self) -> bool:
        return self._clock() - self._opened_at >= self._policy.open_s

    def _move(self, trigger: Trigger) -> None:
        self._state = TRANSITIONS[self._state, trigger]
        self._period += 1
        self._failed_at.clear()
        self._is_being_tried = False
        self._opened_at = self._clock()
        self._on_change(self._state)
