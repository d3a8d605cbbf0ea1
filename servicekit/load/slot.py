"""What a request has while it is worked on: a slot at the limiter, and a connection to the database.

Both go with the work and not with the thread. There are many threads, so that a request which waits keeps nobody else
from anything, but only as many connections as slots. `released` is for the time in which somebody else works for us.
"""

import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from types import TracebackType

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from servicekit.db.sqlite import base as sqlite
from servicekit.load.limiter import ConcurrencyLimiter

_here = threading.local()

# All there are in this process. A `WeakSet` may not grow while it is read, so both are done with the lock.
_pools: "weakref.WeakSet[Connections]" = weakref.WeakSet()
_pools_lock = threading.Lock()


class Connections:
    """Open connections that nobody uses at the moment; `keep` at most, and the one used last goes out first.

    Args:
        limit_s: What is asked of one that was lent has to be found within that; None: as long as it takes. For SQLite
            alone: a server has a limit of its own on each statement.
    """

    def __init__(self, *, keep: int, limit_s: float | None = None) -> None:
        self._keep = keep
        self._limit_s = limit_s
        self._idle: deque[BaseDatabaseWrapper] = deque()
        with _pools_lock:
            _pools.add(self)

    def lend(self) -> BaseDatabaseWrapper | None:
        """Give this thread a connection; None when it has one of its own, as in tests and commands."""
        if connections.all(initialized_only=True):
            return None
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connections.create_connection(DEFAULT_DB_ALIAS)
            connection.inc_thread_sharing()
        if self._limit_s is not None:
            sqlite.end_after(connection, self._limit_s)
        connections[DEFAULT_DB_ALIAS] = connection
        return connection

    def close_idle(self) -> None:
        """Close those that nobody uses; they open again when they are lent."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def take_back(self, connection: BaseDatabaseWrapper | None) -> None:
        """Take back what `lend` gave."""
        if connection is None:
            return
        del connections[DEFAULT_DB_ALIAS]
        if len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()


def close_if_unusable(connection: BaseDatabaseWrapper | None) -> None:
    """What Django does at the beginning and the end of a request, when the thread has no connection yet or any more.

    Where it leaves none open, the idle ones go as well on SQLite: those of one process share what they know of the
    file, so that one which was opened while that could only be read would keep all others from writing.
    """
    if connection is None:
        return
    connection.close_if_unusable_or_obsolete()
    if connection.connection is None and connection.vendor == "sqlite":
        with _pools_lock:
            pools = list(_pools)
        for pool in pools:
            pool.close_idle()


class Slot:
    """A slot and a connection for this thread, from `with` to its end. Raises Full, and then it has neither.

    Args:
        wait_s: For how long it may be waited; None for work that was begun before: first in line, and for ever.
    """

    def __init__(self, limiter: ConcurrencyLimiter, pool: Connections, *, wait_s: float | None) -> None:
        self._limiter = limiter
        self._pool = pool
        self._wait_s = wait_s
        self._connection: BaseDatabaseWrapper | None = None
        self._is_occupied = False
        self.was_waited_for = False

    def __enter__(self) -> "Slot":
        if self._wait_s is None:
            self._limiter.acquire_again()
        else:
            self.was_waited_for = self._limiter.acquire(wait_s=self._wait_s)
        self._occupy()
        _here.slot = self
        close_if_unusable(self._connection)
        return self

    def __exit__(self, *_: object) -> None:
        _here.slot = None
        if self._is_occupied:
            close_if_unusable(self._connection)
            self._vacate()

    def release(self) -> bool:
        """Give it to others, unless that was done or a transaction of ours is open; whether it was given."""
        if not self._is_occupied or connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return False
        self._vacate()
        return True

    def reacquire(self) -> None:
        self._limiter.acquire_again()
        self._occupy()

    def _occupy(self) -> None:
        self._is_occupied = True
        self._connection = self._pool.lend()

    def _vacate(self) -> None:
        self._is_occupied = False
        try:
            self._pool.take_back(self._connection)
        finally:
            self._limiter.release()


class _Released:
    __slots__ = ("_slot",)

    def __enter__(self) -> None:
        slot: Slot | None = getattr(_here, "slot", None)
        self._slot = slot if slot is not None and slot.release() else None

    def __exit__(self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._slot is not None:
            self._slot.reacquire()


def released() -> _Released:
    """Around waiting for somebody else: the slot goes to others meanwhile. The database is out of reach inside.

    Nothing changes where there is no slot (in a worker), inside another `released`, or in a transaction, which
    needs its connection.
    """
    return _Released()


def sleep(seconds: float) -> None:
    """Sleep without keeping anybody from working."""
    with released():
        time.sleep(seconds)
