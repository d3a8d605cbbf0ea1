"""How many requests a process takes in, and how many of those it works on at once. Pure Python, knows no request.

Two numbers, because they cost different things. A request that waits costs a thread, which is cheap; one that is worked
on wants the processor and the database, and more of them at once make each slower and none faster. A request whose
work stops while somebody else is asked gives its slot back for as long, so that nobody here can be kept from working
by a third party (docs/adr/0014).
"""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final


class Full(Exception):
    """Not now: `reason` is `in_flight` (too many are here already) or `waited` (no slot came free in time)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


IN_FLIGHT: Final = "in_flight"
WAITED: Final = "waited"
# As `Lock.acquire` says it.
FOR_EVER: Final = -1.0


class ConcurrencyLimiter:
    """Counts who is here (`enter`, `leave`) and who has a slot to work (`acquire`, `release`). Safe between threads.

    Slots are handed on in the order of asking, but whoever had one before and comes back for it goes first: work that
    was begun is finished before more is begun.
    """

    def __init__(self, *, slots: int, in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = slots
        self._room = in_flight
        self._clock = clock
        self._moved_at = clock()
        self._lock = Lock()
        # A waiter is a lock that is held until a slot is handed to it. While somebody waits, no slot is free.
        self._returning: deque[Lock] = deque()
        self._newcomers: deque[Lock] = deque()

    def enter(self) -> None:
        """Be counted in. Raises Full: too many are here."""
        with self._lock:
            if self._room <= 0:
                raise Full(IN_FLIGHT)
            self._room -= 1
            self._moved_at = self._clock()

    def leave(self) -> None:
        with self._lock:
            self._room += 1
            self._moved_at = self._clock()

    def stuck_for_s(self) -> float:
        """For how many seconds it has been full without anybody coming or going; 0 while there is room."""
        with self._lock:
            return self._clock() - self._moved_at if self._room <= 0 else 0.0

    def acquire(self, *, wait_s: float) -> bool:
        """Take a slot; whether it had to be waited for.

        Raises Full: none came free in `wait_s` seconds, which may be FOR_EVER.
        """
        return self._acquire(self._newcomers, wait_s)

    def acquire_again(self) -> None:
        """Take a slot after having released one, before all newcomers and however long that takes."""
        self._acquire(self._returning, FOR_EVER)

    def release(self) -> None:
        """Hand the slot to whoever is next."""
        with self._lock:
            queue = self._returning or self._newcomers
            if queue:
                queue.popleft().release()
            else:
                self._free += 1

    def _acquire(self, queue: deque[Lock], wait_s: float) -> bool:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return False
            waiter = Lock()
            waiter.acquire()
            queue.append(waiter)
        try:
            has_slot = waiter.acquire(timeout=wait_s)
        except BaseException:
            if not self._stop_waiting(queue, waiter):
                self.release()
            raise
        # Handed over between the last moment of waiting and now, it is ours all the same.
        if not has_slot and self._stop_waiting(queue, waiter):
            raise Full(WAITED)
        return True

    def _stop_waiting(self, queue: deque[Lock], waiter: Lock) -> bool:
        """Stop waiting; False when a slot has been handed over already."""
        with self._lock:
            try:
                queue.remove(waiter)
            except ValueError:
                return False
            return True
