"""Django's backend for SQLite, on a connection that notices when its file is not the database any more.

SQLite goes on with the file that it once opened. When that is moved away or deleted, every write still succeeds, and is
gone with the process; when it could only be read at that moment, it can never be written again. A kept connection is
therefore looked at once in each request and job: `CONN_HEALTH_CHECKS`.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations

from servicekit.db.sqlite import files

# Device, inode and permissions; None for a database without a file.
Identity = tuple[int, int, int] | None

# Steps of SQLite's machine between two looks at the clock: a millisecond or two.
_STEPS_BETWEEN_LOOKS: Final = 50_000

_must_exist: Final = {"everywhere": False}


def never_create() -> None:
    """From now on this process opens only databases that are there.

    For servers and workers: one that made itself an empty database, where the real one is away for a moment, would
    leave a write-ahead log behind that SQLite takes for the real one's when it is back. `manage.py migrate` makes it.
    """
    _must_exist["everywhere"] = True


class Operations(DatabaseOperations):
    """Django's."""


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection; it knows which file it has open."""

    ops_class = Operations
    health_check_enabled: bool
    health_check_done: bool
    transaction_mode: str | None
    _file = Path()
    _opened: Identity = None
    _ends_at: float | None = None

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        name = str(params["database"])
        if _must_exist["everywhere"] and not name.startswith(("file:", ":")):
            params["database"] = f"{Path(name).absolute().as_uri()}?mode=rw"
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        files.make_private(conn_params["database"])
        try:
            connection = super().get_new_connection(conn_params)
        except sqlite3.OperationalError as problem:
            if reason := files.what_is_wrong_with(self.settings_dict["NAME"]):
                raise sqlite3.OperationalError(reason) from problem
            raise
        self._file = Path(self.settings_dict["NAME"])
        self._opened = self._present()
        if self._ends_at is not None:
            connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
        return connection

    def end_after(self, seconds: float) -> None:
        """See the function of that name."""
        if self._ends_at is None and self.connection is not None:
            self.connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
        self._ends_at = time.monotonic() + seconds

    def _is_late(self) -> bool:
        return self._ends_at is not None and time.monotonic() > self._ends_at

    def is_usable(self) -> bool:
        """After any error but those of the data itself a new connection costs little, and is sure to be good."""
        return not self.errors_occurred and self._present() == self._opened

    def rollback(self) -> None:
        """Does not make the connection a good one: where the file may only be read, a rollback works as well."""
        had_errors = self.errors_occurred
        super().rollback()
        self.errors_occurred = had_errors

    def _present(self) -> Identity:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mode


def end_after(connection: BaseDatabaseWrapper, seconds: float) -> None:
    """Have SQLite interrupt what this connection still runs so long from now. Of no effect on another database's."""
    if isinstance(connection, DatabaseWrapper):
        connection.end_after(seconds)


@contextmanager
def waiting_at_most(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Have a connection wait no longer than this for SQLite's lock. Of no effect on another database's."""
    if connection.vendor != "sqlite":
        yield
        return
    usual_s: float = connection.settings_dict["OPTIONS"]["timeout"]
    _set_busy_timeout(connection, seconds)
    try:
        yield
    finally:
        _set_busy_timeout(connection, usual_s)


def _set_busy_timeout(connection: BaseDatabaseWrapper, seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
