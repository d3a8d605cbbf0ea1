"""Other sessions of the same database server, and statements for which each engine has words of its own."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

OWN_ID: Final = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
# Both are through when the socket of the other session is closed.
KILL: Final = {"postgresql": "SELECT pg_terminate_backend(%s, 60000)", "mysql": "KILL %s"}


def fetch(of_engine: Mapping[str, str], *values: Any, using: Any = connection) -> list[tuple[Any, ...]]:
    """What the database answers to its own engine's statement."""
    with using.cursor() as cursor:
        cursor.execute(of_engine[connection.vendor], values or None)
        return list(cursor.fetchall()) if cursor.description else []


def close_pool() -> None:
    """That of this process, on PostgreSQL."""
    postgresql: Any = connection
    postgresql.close_pool()


@contextmanager
def another_session() -> Iterator[BaseDatabaseWrapper]:
    session = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        yield session
    finally:
        session.close()


class Threads:
    """Threads that give their connections back when they end, as a server's do after each request."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor()

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def start(self, work: Callable[..., T], *args: Any) -> "Future[T]":
        def run() -> T:
            try:
                return work(*args)
            finally:
                connections[DEFAULT_DB_ALIAS].close()

        return self._pool.submit(run)
