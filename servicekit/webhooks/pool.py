"""Threads that send: each takes one message after another. They touch no database, and end with the process."""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")

# Threads begin one at a time, as many as are needed at once.
MOST_THREADS: Final = 32


class Pool(Generic[Key, Result]):
    """Calls that are under way, by key. For use by one thread."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._threads = 0
        self._calls: queue.SimpleQueue[tuple[Key, Callable[[], Result]]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Key, Result | Exception]] = queue.SimpleQueue()
        self.under_way = 0

    @property
    def free(self) -> int:
        """How many more may begin."""
        return self._most - self.under_way

    def begin(self, key: Key, call: Callable[[], Result]) -> None:
        """Call it in another thread."""
        self.under_way += 1
        if self.under_way > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name="webhooks", daemon=True).start()
        self._calls.put((key, call))

    def ended(self, *, within_s: float) -> list[tuple[Key, Result | Exception]]:
        """What has ended; when nothing has, what ends first within this time, and what ended with it."""
        found: list[tuple[Key, Result | Exception]] = []
        with contextlib.suppress(queue.Empty):
            while len(found) < self._most:
                found.append(self._done.get(timeout=within_s) if within_s and not found else self._done.get_nowait())
        self.under_way -= len(found)
        return found

    def _work(self) -> None:
        while True:
            key, call = self._calls.get()
            try:
                self._done.put((key, call()))
            except Exception as problem:  # it is the other thread's to say so
                self._done.put((key, problem))
