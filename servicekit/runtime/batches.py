"""Work that requests leave behind them, done many pieces at a time by one thread of the server."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Final, Generic, TypeVar

import structlog

from servicekit.load.slot import Connections, Slot
from servicekit.observability import actor
from servicekit.runtime import processes
from servicekit.web.admission import AdmissionMiddleware

log = structlog.get_logger()

Piece = TypeVar("Piece")

# What is left when the server ends is done by somebody else, so nobody waits long for it.
_LONGEST_END_S: Final = 5.0


class Batches(Generic[Piece]):
    """Takes pieces of work from any thread, and gives them to `work` in batches, in the order in which they came.

    Nothing here outlives the process: what is to be done was stored before a piece is handed over, and somebody else
    finds it there when it is not done in time. The thread begins with the first piece, so that a process may fork
    before.

    Args:
        work: Does a batch. Whatever it raises is logged, and ends that batch alone.
        most: Pieces in a batch.
        room: Pieces that may wait. More are refused, so that what waits is bounded.
        gather_s: A batch begins no sooner than this after the one before, seconds, unless it is full: under load many
            gather, and without load nothing waits.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[Piece]], object], *, most: int, room: int, gather_s: float
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._room = room
        self._gather_s = gather_s
        self._not_before = 0.0
        self._waiting: deque[Piece] = deque()
        self._changed = Condition()
        self._is_ending = False
        self._thread: Thread | None = None
        self._connections = Connections(keep=1)
        processes.before_end(self.end)

    def offer(self, piece: Piece) -> bool:
        """Hand a piece over; False where the caller must do it: too much waits, or the process ends."""
        with self._changed:
            if self._is_ending or len(self._waiting) >= self._room:
                return False
            self._waiting.append(piece)
            if self._thread is None:
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif len(self._waiting) in (1, self._most):
                self._changed.notify()
        return True

    def end(self) -> None:
        """Take nothing more, and do what waits."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_LONGEST_END_S)

    def _run(self) -> None:
        actor.act_as(actor.WORKER)
        while pieces := self._take():
            self._try(pieces)

    def _take(self) -> list[Piece]:
        """The next batch; empty when the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ending)
            wait_s = self._not_before - time.monotonic()
            if wait_s > 0:
                self._changed.wait_for(lambda: len(self._waiting) >= self._most or self._is_ending, wait_s)
            self._not_before = time.monotonic() + self._gather_s
            return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]

    def _try(self, pieces: Sequence[Piece]) -> None:
        try:
            self._do(pieces)
        except Exception:  # the edge of the thread: the next batch has nothing to do with it
            log.exception("batch.failed", batch=self._name, pieces=len(pieces))

    def _do(self, pieces: Sequence[Piece]) -> None:
        limiter = AdmissionMiddleware.limiter
        if limiter is None:
            raise RuntimeError("only a process that answers requests does work behind them")
        # The thread computes in a slot like a request, and before those that have not begun.
        with Slot(limiter, self._connections, wait_s=None):
            self._work(pieces)
