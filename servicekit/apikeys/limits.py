"""How many requests a second a key may make: a token bucket for each process."""

import threading
import time
from collections.abc import Callable
from typing import Final

from servicekit.web.messages import RateLimit

# What may come at once: as many as a second's, and one at least.
_BURST_S: Final = 1.0


class Bucket:
    """`per_s` requests a second, and a second's at once."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self._size = max(1.0, per_s * _BURST_S)
        self._clock = clock
        self._level = self._size
        self._filled_at = clock()
        self._lock = threading.Lock()

    def take(self) -> RateLimit:
        """Count a request; what is left after it."""
        with self._lock:
            now = self._clock()
            self._level = min(self._size, self._level + (now - self._filled_at) * self.per_s)
            self._filled_at = now
            if self._level < 1.0:
                return RateLimit(False, self.per_s, 0, (1.0 - self._level) / self.per_s)
            self._level -= 1.0
            missing = self._size - self._level if self._level >= 1.0 else 1.0 - self._level
            return RateLimit(True, self.per_s, int(self._level), missing / self.per_s)
