"""Statements and transactions go straight to SQLite's driver.

Replaces, in `servicekit.db.sqlite`: Django's cursor and its wrapper, `set_autocommit`, `commit`, `_commit`,
`ensure_connection`, `validate_thread_sharing`, and how a time is written. Around each statement and transaction Django
looks whether an event loop runs in this thread, whether another thread made the connection, and whether somebody keeps
a log of the statements, which takes longer than SQLite does. Here no loop ever runs, connections go from thread to
thread (`servicekit.load.slot`), and who keeps a log gets Django's own way.
"""

import sqlite3
from datetime import datetime, timezone
from functools import lru_cache
from inspect import unwrap
from typing import Any, Final

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.backends.utils import CursorWrapper

from servicekit.db.sqlite.base import DatabaseWrapper, Operations
from servicekit.fastpath import put

_UTC: Final = timezone.utc

# Statements differ by their shape, not by their values: a few hundred in a service.
_KEPT_STATEMENTS: Final = 1024

# The types of a statement's parameters when they go by place and not by name.
_PLACED: Final = frozenset({list, tuple})
_execute: Final = sqlite3.Cursor.execute
_execute_many: Final = sqlite3.Cursor.executemany

_Plain: Any = base.DatabaseWrapper


def install() -> None:
    put(
        DatabaseWrapper,
        ensure_connection=_ensure_connection,
        validate_thread_sharing=_validate_thread_sharing,
        cursor=_cursor,
        create_cursor=_create_cursor,
        set_autocommit=_set_autocommit,
        commit=unwrap(_Plain.commit),  # without the look for an event loop
        _commit=_commit,
    )
    # Of the class and not a class of its own: a connection that there is already keeps the class that it was made with.
    put(Operations, adapt_datetimefield_value=_adapt_datetimefield_value)


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


def _adapt_datetimefield_value(self: Any, value: Any) -> Any:
    """What Django does with every time, in short for those that are in UTC already, as all of ours."""
    if type(value) is datetime and value.tzinfo is _UTC is self.connection.timezone:
        return value.isoformat(" ").removesuffix("+00:00")
    return DatabaseOperations.adapt_datetimefield_value(self, value)


def _ensure_connection(self: DatabaseWrapper) -> None:
    if self.connection is None:
        _Plain.ensure_connection(self)


def _validate_thread_sharing(self: DatabaseWrapper) -> None:
    """Whoever has the connection has it alone, and may be another thread than whoever made it."""


def _cursor(self: DatabaseWrapper) -> CursorWrapper:
    if self.health_check_enabled and not self.health_check_done:
        self.close_if_health_check_failed()
    if self.connection is None or self.queries_logged:
        return self._cursor()  # type: ignore[attr-defined,no-any-return]
    try:
        return Statements(self.connection.cursor(_Cursor), self)
    except sqlite3.Error:
        with self.wrap_database_errors:
            raise


def _create_cursor(self: DatabaseWrapper, _name: str | None = None) -> Any:
    return self.connection.cursor(factory=_Cursor)


def _set_autocommit(
    self: DatabaseWrapper, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
) -> None:
    """In short for what `atomic` asks for: a BEGIN, and after the end of its transaction what was left for then."""
    is_atomics = autocommit or force_begin_transaction_with_broken_autocommit
    if not is_atomics or self.connection is None or self.connection.isolation_level is not None or self.in_atomic_block:
        _Plain.set_autocommit(self, autocommit, force_begin_transaction_with_broken_autocommit)
        return
    if not autocommit:
        _begin(self)
    self.autocommit = autocommit
    if autocommit and self.run_commit_hooks_on_set_autocommit_on:
        self.run_and_clear_commit_hooks()
        self.run_commit_hooks_on_set_autocommit_on = False


def _begin(self: DatabaseWrapper) -> None:
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


def _commit(self: DatabaseWrapper) -> None:
    if self.connection is None or self.queries_logged:
        _Plain._commit(self)
        return
    try:
        self.connection.commit()
    except sqlite3.Error:
        with self.wrap_database_errors:
            raise
