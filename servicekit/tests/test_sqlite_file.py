"""A connection to SQLite: that outlives its file, or could only read it, it is not used again; and its short ways."""

import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.backends.sqlite3 import base as django_sqlite
from django.test.utils import CaptureQueriesContext

from servicekit.db.sqlite import base as sqlite

# Not for its database: pytest-django lets no other be opened either without it.
pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one table, in write-ahead mode as ours are."""
    path = tmp_path / "name with ? and %41 in it.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE written (number INTEGER);")
    return path


@pytest.fixture
def database(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite.DatabaseWrapper]:
    """As a server has it."""
    monkeypatch.setitem(sqlite._must_exist, "everywhere", False)
    sqlite.never_create()
    settings: dict[str, Any] = {
        "ENGINE": "servicekit.db.sqlite",
        "NAME": str(file),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "AUTOCOMMIT": True,
        "TIME_ZONE": None,
        "OPTIONS": {"timeout": 0.01, "init_command": "PRAGMA journal_mode=WAL"},
    }
    wrapper = sqlite.DatabaseWrapper(settings)
    yield wrapper
    wrapper.close()


def write(database: sqlite.DatabaseWrapper) -> None:
    """What a request does: look at the connection, then use it."""
    database.close_if_unusable_or_obsolete()
    write_here(database)


def write_here(database: sqlite.DatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO written VALUES (1)")


def with_transaction(database: sqlite.DatabaseWrapper, *, refuse_the_commit: bool = False) -> None:
    """What `transaction.atomic` does with a connection that goes well, and with one that does not."""
    connections["sqlite_file"] = database
    try:
        with transaction.atomic(using="sqlite_file"):
            write_here(database)
            if refuse_the_commit:
                database.connection.set_progress_handler(lambda: 1, 1)
    finally:
        if refuse_the_commit:
            database.connection.set_progress_handler(None, 0)
        del connections["sqlite_file"]


def count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM written").fetchone()
    assert isinstance(number, int)
    return number


def test_a_sound_connection_is_kept(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """Looking at it costs a `stat`, not a new connection."""
    write(database)
    kept = database.connection
    write(database)
    assert database.connection is kept
    assert count(file) == 2


def test_nothing_is_written_into_a_file_that_was_moved_away(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """The write fails, no new database appears in its place, and when the file is back, so is everything in it."""
    write(database)
    away = file.rename(file.with_name("away"))
    for _ in range(2):
        with pytest.raises(OperationalError, match="unable to open database file"):
            write(database)
    assert not file.exists()
    away.rename(file)
    write(database)
    assert count(file) == 2


def test_another_file_in_its_place_is_the_database_from_then_on(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """As after a restore from a backup: the old file goes with its log and index, then the backup comes in whole."""
    backup = file.with_name("backup")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", [str(backup)])
    write(database)
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    with pytest.raises(OperationalError):
        write(database)
    backup.rename(file)
    write(database)
    assert count(file) == 1


def test_after_an_error_of_the_database_the_connection_is_made_anew(
    database: sqlite.DatabaseWrapper, file: Path
) -> None:
    """One that was opened while the file could only be read stays like that for ever."""
    write(database)
    database.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(OperationalError, match="readonly"):
        write(database)
    write(database)
    assert count(file) == 2


def test_with_other_permissions_it_is_opened_again(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """What could only be read is written as soon as it may be, and no request has to fail first."""
    write(database)
    kept = database.connection
    file.chmod(0o600 if file.stat().st_mode & 0o077 else 0o640)
    write(database)
    assert database.connection is not kept


def test_a_rollback_does_not_prove_that_the_connection_is_good(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """In a transaction too, where SQLite begins and rolls back what can never be written."""
    write(database)
    database.connection.execute("PRAGMA query_only = ON")
    database.set_autocommit(False)
    with pytest.raises(OperationalError, match="readonly"):
        write_here(database)
    database.rollback()
    database.set_autocommit(True)
    write(database)
    assert count(file) == 2


def test_a_short_wait_for_the_lock_is_over_with_what_it_was_for(database: sqlite.DatabaseWrapper) -> None:
    """Afterwards a write waits as long as ever, also where the short wait was not enough."""

    def busy_timeout_ms() -> int:
        with database.cursor() as cursor:
            return int(cursor.execute("PRAGMA busy_timeout").fetchone()[0])

    def fail_meanwhile() -> None:
        with sqlite.waiting_at_most(database, 0.5):
            assert busy_timeout_ms() == 500
            raise OperationalError

    with pytest.raises(OperationalError):
        fail_meanwhile()
    assert busy_timeout_ms() == 10


def test_whoever_may_create_still_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`migrate` finds no database at its first run."""
    monkeypatch.setitem(sqlite._must_exist, "everywhere", False)
    wrapper = sqlite.DatabaseWrapper({"NAME": str(tmp_path / "new"), "OPTIONS": {}})
    assert wrapper.get_connection_params()["database"] == str(tmp_path / "new")


def test_whoever_keeps_a_log_of_the_statements_sees_each_transaction(database: sqlite.DatabaseWrapper) -> None:
    """Django's own way, which tells of its beginning and its end."""
    database.cursor().close()
    with CaptureQueriesContext(database) as queries:
        with_transaction(database)
    assert [query["sql"] for query in queries] == ["BEGIN", "INSERT INTO written VALUES (1)", "COMMIT"]


def test_a_transaction_that_cannot_begin_or_end_says_so_as_django_does(
    database: sqlite.DatabaseWrapper, file: Path
) -> None:
    """Locked out, or stopped at its commit: an OperationalError, and nothing of it is there afterwards."""
    with_transaction(database)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database.transaction_mode = "IMMEDIATE"
        with pytest.raises(OperationalError, match="locked"):
            with_transaction(database)
        other.execute("ROLLBACK")
    assert not database.in_atomic_block
    assert database.errors_occurred
    with pytest.raises(OperationalError, match="interrupted"):
        with_transaction(database, refuse_the_commit=True)
    gc.collect()  # Django's own traceback keeps the connection, whose rollback was stopped as well
    assert count(file) == 1
    with_transaction(database)
    assert count(file) == 2


def test_a_connection_goes_from_thread_to_thread(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """As `slot.py` lends it."""
    database.inc_thread_sharing()
    write(database)
    other = Thread(target=write, args=(database,))
    other.start()
    other.join()
    assert count(file) == 2


INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=timezone.utc),
        datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
        datetime(2026, 2, 3, 9, 35, 6, 7, tzinfo=INDIA),
        datetime(2026, 2, 3, 4, 5, 6, 7),  # noqa: DTZ001
        None,
    ],
    ids=["UTC", "a whole second", "another zone", "no zone", "none"],
)
def test_a_time_is_stored_as_django_stores_it(database: sqlite.DatabaseWrapper, moment: datetime | None) -> None:
    """In UTC, as text without a zone, whatever zone it comes in."""
    expected = django_sqlite.DatabaseWrapper(database.settings_dict).ops.adapt_datetimefield_value(moment)
    assert database.ops.adapt_datetimefield_value(moment) == expected
    assert moment is None or str(expected).startswith("2026-02-03 04:05:06")


def test_what_the_driver_refuses_is_told_as_django_tells_it(database: sqlite.DatabaseWrapper) -> None:
    """At the statement and at its rows: the portable errors, each caused by the driver's own."""
    with database.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX one ON written (number)", [])
        cursor.execute("INSERT INTO written VALUES (%s)", [1])
        tried: list[tuple[Callable[..., Any], list[Any]]] = [(cursor.execute, [1]), (cursor.executemany, [[2], (1,)])]
        for insert, values in tried:
            with pytest.raises(IntegrityError, match="UNIQUE") as refused:
                insert("INSERT INTO written VALUES (%s)", values)
            assert type(refused.value.__cause__) is sqlite3.IntegrityError
        assert not database.errors_occurred
        for fetch in (cursor.fetchone, cursor.fetchall):
            cursor.execute("SELECT number FROM written", ())
            database.connection.set_progress_handler(lambda: 1, 1)
            with pytest.raises(OperationalError, match="interrupted"):
                fetch()
            database.connection.set_progress_handler(None, 0)
        assert database.errors_occurred


def test_a_broken_transaction_takes_no_more_statements(database: sqlite.DatabaseWrapper, file: Path) -> None:
    connections["sqlite_file"] = database
    try:
        with transaction.atomic(using="sqlite_file"):
            write_here(database)
            transaction.set_rollback(True, using="sqlite_file")
            with database.cursor() as cursor:
                with pytest.raises(transaction.TransactionManagementError):
                    cursor.execute("INSERT INTO written VALUES (%s)", [2])
                with pytest.raises(transaction.TransactionManagementError):
                    cursor.executemany("INSERT INTO written VALUES (%s)", [[2]])
            with pytest.raises(transaction.TransactionManagementError):
                database.set_autocommit(True)
    finally:
        del connections["sqlite_file"]
    assert count(file) == 0
    assert database.get_autocommit()


def test_whoever_listens_in_on_a_connection_hears_each_statement(database: sqlite.DatabaseWrapper) -> None:
    heard: list[tuple[str, Any, bool]] = []

    def listen(execute: Any, sql: str, values: Any, many: bool, context: Any) -> Any:
        heard.append((sql, values, many))
        return execute(sql, values, many, context)

    with database.execute_wrapper(listen), database.cursor() as cursor:
        cursor.execute("INSERT INTO written VALUES (%s)", [1])
        cursor.executemany("INSERT INTO written VALUES (%s)", [[2], [3]])
        cursor.executemany("INSERT INTO written VALUES (%(number)s)", [{"number": 1}])
        cursor.execute("SELECT count(*), '100%%' FROM written WHERE number > %(least)s", {"least": 1})
        assert cursor.fetchall() == [(2, "100%")]
    assert [(values, many) for _, values, many in heard] == [
        ([1], False),
        ([[2], [3]], True),
        ([{"number": 1}], True),
        ({"least": 1}, False),
    ]


def test_whoever_ends_their_transactions_themselves_can(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """Without `atomic`, which has a short way."""
    database.set_autocommit(False)
    write_here(database)
    database.rollback()
    write_here(database)
    assert count(file) == 0
    database.commit()
    database.set_autocommit(True)
    assert count(file) == 1
    with_transaction(database)
    assert count(file) == 2


def test_a_transaction_begins_on_a_sound_connection_only(database: sqlite.DatabaseWrapper, file: Path) -> None:
    """The look at the file comes before BEGIN, and what is begun again is begun on the new connection."""
    write(database)
    first = database.connection
    file.rename(file.with_suffix(".away"))
    database.close_if_unusable_or_obsolete()
    with pytest.raises(OperationalError, match="unable to open"):
        with_transaction(database)
    file.with_suffix(".away").rename(file)
    database.close_if_unusable_or_obsolete()
    with_transaction(database)
    assert database.connection is not first
    assert count(file) == 2
