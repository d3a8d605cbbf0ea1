"""A connection to a database server is looked at from this end first, and asked only when something came in on it.

Replaces psycopg_pool's `check_connection` and the `is_usable` of Django's backend for MySQL. They ask the server before
each request's first statement: a round trip, and work for a processor at both ends. A server that went away, or ended
the session, has closed the socket, which is seen there; nothing else is ever to be read on one that is idle. What is
cut off without a word is found by the first statement, as by the question: both wait for as long as TCP does.
"""

import select
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from servicekit.fastpath import put


def install() -> None:
    engine = settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"]
    if engine.endswith("postgresql"):
        _look_at_postgresqls(import_module("psycopg_pool").ConnectionPool)
    elif engine.endswith("mysql"):
        _look_at_mysqls(import_module("django.db.backends.mysql.base").DatabaseWrapper)


def _nothing_came_in(socket: int) -> bool:
    """Whether an idle socket, by its descriptor, is as it was left: neither closed by the other side nor written to."""
    look = select.poll()
    look.register(socket, select.POLLIN)
    return not look.poll(0)


def _look_at_postgresqls(pool: Any) -> None:
    ask = pool.check_connection

    def check_connection(connection: Any) -> None:
        if connection.closed or not _nothing_came_in(connection.fileno()):
            ask(connection)

    put(pool, check_connection=staticmethod(check_connection))


def _look_at_mysqls(wrapper: Any) -> None:
    ask = wrapper.is_usable

    def is_usable(self: Any) -> bool:
        socket = self.connection._sock
        return (socket is not None and _nothing_came_in(socket.fileno())) or bool(ask(self))

    put(wrapper, is_usable=is_usable)
