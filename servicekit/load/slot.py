"""What a request has while it is worked on: a place at the gate, and a connection to the database.

Both go with the work and not with the thread. There are many threads, so that a request which waits keeps nobody else
from anything, but only as many connections as places. `elsewhere` is for the time in which somebody else works for us.
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
from servicekit.load.limiter import Gate

_here = threading.local()

# All there are in this process.
_stocks: "weakref.WeakSet[Connections]" = weakref.WeakSet()


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
        _stocks.add(self)

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


def look_after(connection: BaseDatabaseWrapper | None) -> None:
    """What Django does at the beginning and the end of a request, when the thread has no connection yet or any more.

    Where it leaves none open, the idle ones go as well on SQLite: those of one process share what they know of the
    file, so that one which was opened while that could only be read would keep all others from writing.
    """
    if connection is None:
        return
    connection.close_if_unusable_or_obsolete()
    if connection.connection is None and connection.vendor == "sqlite":
        for stock in list(_stocks):
            stock.close_idle()


class Workplace:
    """A place and a connection for this thread, from `with` to its end. Raises Full, and then it has neither."""

    def __init__(self, gate: Gate, stock: Connections, *, wait_s: float) -> None:
        self._gate = gate
        self._stock = stock
        self._wait_s = wait_s
        self._connection: BaseDatabaseWrapper | None = None
        self._is_taken = False
        self.was_waited_for = False

    def __enter__(self) -> "Workplace":
        self.was_waited_for = self._gate.take(wait_s=self._wait_s)
        self._sit_down()
        _here.workplace = self
        look_after(self._connection)
        return self

    def __exit__(self, *_: object) -> None:
        _here.workplace = None
        if self._is_taken:
            look_after(self._connection)
            self._stand_up()

    def leave(self) -> bool:
        """Let others have it, unless it is left already or has work of ours half-done in it; whether it was left."""
        if not self._is_taken or connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return False
        self._stand_up()
        return True

    def come_back(self) -> None:
        self._gate.take_again()
        self._sit_down()

    def _sit_down(self) -> None:
        self._is_taken = True
        self._connection = self._stock.lend()

    def _stand_up(self) -> None:
        self._is_taken = False
        try:
            self._stock.take_back(self._connection)
        finally:
            self._gate.give()


class _Elsewhere:
    __slots__ = ("_workplace",)

    def __enter__(self) -> None:
        workplace: Workplace | None = getattr(_here, "workplace", None)
        self._workplace = workplace if workplace is not None and workplace.leave() else None

    def __exit__(self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._workplace is not None:
            self._workplace.come_back()


def elsewhere() -> _Elsewhere:
    """Around waiting for somebody else: others may work here in the meantime. The database is out of reach inside.

    Nothing changes where there is no workplace (in a worker), inside another one of these, or in a transaction, which
    needs its connection.
    """
    return _Elsewhere()


def sleep(seconds: float) -> None:
    """Sleep without keeping anybody from working."""
    with elsewhere():
        time.sleep(seconds)
