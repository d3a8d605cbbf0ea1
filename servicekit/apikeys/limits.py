"""How many requests a second a key may make: a token bucket for each process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# What may come at once: as many as a second's, and one at least.
_BURST_S: Final = 1.0


@dataclass(frozen=True)
class Left:
    """What is left of a limit after a request.

    Attributes:
        is_allowed: Whether this request may go on.
        remaining: How many may follow at once.
        reset_s: After how long there is at least one again, or all are, where there still is one.
    """

    is_allowed: bool
    remaining: int
    reset_s: float


class Bucket:
    """`per_s` requests a second, and a second's at once."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self._size = max(1.0, per_s * _BURST_S)
        self._clock = clock
        self._level = self._size
        self._filled_at = clock()
        self._lock = threading.Lock()

    def take(self) -> Left:
        """Count a request."""
        with self._lock:
            now = self._clock()
            self._level = min(self._size, self._level + (now - self._filled_at) * self.per_s)
            self._filled_at = now
            if self._level < 1.0:
                return Left(False, 0, (1.0 - self._level) / self.per_s)
            self._level -= 1.0
            missing = self._size - self._level if self._level >= 1.0 else 1.0 - self._level
            return Left(True, int(self._level), missing / self.per_s)
