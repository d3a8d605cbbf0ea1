"""How often and how patiently something is tried again: the one place where waits grow."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# 2^20 times any first wait is far above any longest one; it only keeps the number small.
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True)
class Backoff:
    """Exponential waits without jitter: the first, then each twice as long as the one before, up to the longest."""

    first_s: float
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after a failure that `failures` others in a row came before."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures, _MOST_DOUBLINGS))

    def waited_s(self, failures: int) -> float:
        """Seconds of all the waits after so many failures in a row."""
        doubled = sum(self.wait_s(n) for n in range(min(failures, _MOST_DOUBLINGS)))
        return doubled + self.longest_s * max(0, failures - _MOST_DOUBLINGS)


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential waits with full jitter, under one deadline that bounds the whole loop, waits and calls included.

    Full jitter (any wait between nothing and the ceiling) spreads clients that failed together; see the AWS
    Architecture Blog, "Exponential Backoff And Jitter".
    """

    attempts: int
    first_wait_s: float
    max_wait_s: float
    deadline_s: float

    def wait_after(
        self, attempt_no: int, *, retry_after_s: float = 0.0, jitter: Callable[[], float] = random.random
    ) -> float:
        """Seconds to wait after attempt number `attempt_no` (from 1) failed; never less than the peer asked for."""
        ceiling = Backoff(self.first_wait_s, self.max_wait_s).wait_s(attempt_no - 1)
        return max(retry_after_s, ceiling * jitter())
