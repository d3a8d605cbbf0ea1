"""How often and how patiently something is tried again."""

import random
from collections.abc import Callable
from dataclasses import dataclass


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
        ceiling = min(self.max_wait_s, self.first_wait_s * 2.0 ** (attempt_no - 1))
        return max(retry_after_s, ceiling * jitter())
