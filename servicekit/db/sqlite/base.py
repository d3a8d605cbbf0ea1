"""Django's backend for SQLite, on a connection that notices when its file is not the database any more.

SQLite goes on with the file that it once opened. When that is moved away or deleted, every write still succeeds, and is
gone with the process; when it could only be read at that moment, it can never be written again. A kept connection is
therefore looked at once in each request and job: `CONN_HEALTH_CHECKS`.

Around each statement and each transaction Django looks whether an event loop runs in this thread, whether another
thread made the connection, and whether somebody keeps a log of the statements, which takes longer than SQLite does.
Here no loop ever runs, connections go from thread to thread (`servicekit.load.slot`), and who keeps a log gets Django's
own way.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import lru_cache
from inspect import unwrap
from pathlib import Path
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.backends.utils import CursorWrapper

from servicekit.db.sqlite import files

# Device, inode and permissions; None for a database without a file.
Identity = tuple[int, int, int] | None

_UTC: Final = timezone.utc

# Statements differ by their shape, not by their values: a few hundred in a service.
_KEPT_STATEMENTS: Final = 1024

# Steps of SQLite's machine between two looks at the clock: a millisecond or two.
_STEPS_BETWEEN_LOOKS: Final = 50_000

# The types of a statement's parameters when they go by place and not by name.
_PLACED: Final = frozenset({list, tuple})
_execute: Final = sqlite3.Cursor.execute
_execute_many: Final = sqlite3.Cursor.executemany

_must_exist: Final = {"everywhere": False}


def never_create() -> None:
    """From now on this process opens only databases that are there.

    For servers and workers: one that made itself an empty database, where the real one is away for a moment, would
    leave a write-ahead log behind that SQLite takes for the real one's when it is back. `manage.py migrate` makes it.
    """
    _must_exist["everywhere"] = True


class _Cursor(base.SQLiteCursorWrapper):
    """Rewrites the placeholders of a statement once, and not each time it is run."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        return (
            _with_question_marks(query)
            if param_names is None
            else super().convert_query(query, param_names=param_names)
        )


@lru_cache(_KEPT_STATEMENTS)
def _with_question_marks(query: str) -> str:
    return str(base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%"))


class Statements(CursorWrapper):
    """A cursor that goes straight to the driver where nobody listens in, and whose errors are Django's all the same."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        database = self.db
        if type(params) not in _PLACED or database.execute_wrappers or database.needs_rollback:
            return super().execute(sql, params)
        try:
            return _execute(self.cursor, _with_question_marks(sql), params)
        except sqlite3.Error:
            with database.wrap_database_errors:
                raise

    def executemany(self, sql: Any, param_list: Any) -> Any:
        database = self.db
        is_placed = type(param_list) is list and _PLACED.issuperset(map(type, param_list))
        if not is_placed or database.execute_wrappers or database.needs_rollback:
            return super().executemany(sql, param_list)
        try:
            return _execute_many(self.cursor, _with_question_marks(sql), param_list)
        except sqlite3.Error:
            with database.wrap_database_errors:
                raise

    def fetchone(self) -> Any:
        try:
            return self.cursor.fetchone()
        except sqlite3.Error:
            with self.db.wrap_database_errors:
                raise

    def fetchall(self) -> Any:
        try:
            return self.cursor.fetchall()
        except sqlite3.Error:
            with self.db.wrap_database_errors:
                raise

    def __exit__(self, *_: object) -> None:
        self.cursor.close()


class _Operations(DatabaseOperations):
    def adapt_datetimefield_value(self, value: Any) -> Any:
        """What Django does with every time, in short for those that are in UTC already, as all of ours."""
        if type(value) is datetime and value.tzinfo is _UTC is self.connection.timezone:
            return value.isoformat(" ").removesuffix("+00:00")
        return super().adapt_datetimefield_value(value)


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection; it knows which file it has open."""

    ops_class = _Operations
    health_check_enabled: bool
    health_check_done: bool
    transaction_mode: str | None
    _file = Path()
    _opened: Identity = None
    _ends_at: float | None = None

    def ensure_connection(self) -> None:
        if self.connection is None:
            super().ensure_connection()

    def validate_thread_sharing(self) -> None:
        """Whoever has the connection has it alone, and may be another thread than whoever made it."""

    def cursor(self) -> CursorWrapper:
        if self.health_check_enabled and not self.health_check_done:
            self.close_if_health_check_failed()
        if self.connection is None or self.queries_logged:
            return self._cursor()  # type: ignore[attr-defined,no-any-return]
        try:
            return Statements(self.connection.cursor(_Cursor), self)
        except sqlite3.Error:
            with self.wrap_database_errors:
                raise

    def set_autocommit(self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False) -> None:
        """In short for what `atomic` asks for: a BEGIN, and after the end of its transaction what was left for then."""
        is_atomics = autocommit or force_begin_transaction_with_broken_autocommit
        if (
            not is_atomics
            or self.connection is None
            or self.connection.isolation_level is not None
            or self.in_atomic_block
        ):
            super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
            return
        if not autocommit:
            self._begin()
        self.autocommit = autocommit
        if autocommit and self.run_commit_hooks_on_set_autocommit_on:
            self.run_and_clear_commit_hooks()
            self.run_commit_hooks_on_set_autocommit_on = False

    def _begin(self) -> None:
        if self.health_check_enabled and not self.health_check_done:
            self.close_if_health_check_failed()
        if self.connection is None or self.queries_logged:
            self.ensure_connection()
            self._start_transaction_under_autocommit()  # type: ignore[attr-defined]
            return
        try:
            self.connection.execute(f"BEGIN {self.transaction_mode or ''}")
        except sqlite3.Error:
            with self.wrap_database_errors:
                raise

    commit = unwrap(base.DatabaseWrapper.commit)  # without the look for an event loop

    def _commit(self) -> None:
        if self.connection is None or self.queries_logged:
            super()._commit()  # type: ignore[misc]
            return
        try:
            self.connection.commit()
        except sqlite3.Error:
            with self.wrap_database_errors:
                raise

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        name = str(params["database"])
        if _must_exist["everywhere"] and not name.startswith(("file:", ":")):
            params["database"] = f"{Path(name).absolute().as_uri()}?mode=rw"
        return params

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=_Cursor)

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
