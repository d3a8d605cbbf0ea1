"""What is said of a database at `check` and `migrate`, before anything fails for want of it."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, OperationalError, connections

from servicekit.db.sqlite import base as sqlite
from servicekit.db.sqlite import files
from servicekit.storage import checks, naming


def opened(path: object) -> sqlite.DatabaseWrapper:
    """A connection to SQLite, whatever the tests run on."""
    settings = {"ENGINE": "servicekit.db.sqlite", "NAME": str(path), "TIME_ZONE": None, "AUTOCOMMIT": True}
    options = {"init_command": "PRAGMA journal_mode=WAL"}
    return sqlite.DatabaseWrapper({**settings, "OPTIONS": options, "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": None})


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """A function that gives the checks another database, on SQLite."""
    return lambda path: monkeypatch.setattr(checks, "connection", opened(path))


def found(identifier: str, **options: Any) -> list[str]:
    return [message.msg for message in run_checks(**options) if message.id == identifier]


@pytest.fixture
def _may_create(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sqlite._must_exist, "everywhere", False)


@pytest.mark.django_db
@pytest.mark.usefixtures("_may_create")
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nothing/here/db.sqlite3", "DB_NAME is {}/nothing/here/db.sqlite3, and there is no folder {}/nothing/here"),
        ("", "DB_NAME is {}, which is a folder; it must be a file in one"),
    ],
)
def test_what_can_be_no_database_is_named(tmp_path: Path, path: str, sentence: str) -> None:
    """In place of SQLite's own words, which name nothing; and nothing is made."""
    with pytest.raises(OperationalError) as raised:
        opened(tmp_path / path).ensure_connection()
    assert str(raised.value) == sentence.replace("{}", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_may_create")
def test_what_sqlite_says_of_a_file_is_left_alone(tmp_path: Path) -> None:
    """Only the place is ours to explain."""
    path = tmp_path / "db.sqlite3"
    path.write_text("no database at all, and long enough to be looked at" * 20)
    with pytest.raises(DatabaseError, match="file is not a database"):
        opened(path).ensure_connection()


@pytest.mark.django_db
@pytest.mark.usefixtures("_may_create")
def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """With its log and its index, whatever the umask says; what was there before stays as it was."""
    path, before = tmp_path / "new.sqlite3", tmp_path / "old.sqlite3"
    before.touch()
    before.chmod(0o640)
    previous = os.umask(0)
    try:
        databases = [opened(path), opened(before)]
        for database in databases:
            with database.cursor() as cursor:
                cursor.execute("CREATE TABLE written (number INTEGER)")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        for database in databases:
            database.close()
    finally:
        os.umask(previous)
    new = dict.fromkeys(("new.sqlite3", "new.sqlite3-wal", "new.sqlite3-shm"), 0o600)
    old = dict.fromkeys(("old.sqlite3", "old.sqlite3-wal", "old.sqlite3-shm"), 0o640)
    assert modes == {**new, **old}


def test_a_file_that_everybody_reads_is_told_of_at_deployment(name: Callable[[object], None], tmp_path: Path) -> None:
    """One of an earlier version."""
    path = tmp_path / "db.sqlite3"
    sqlite3.connect(path).close()
    name(path)
    path.touch()
    path.chmod(0o644)
    assert found("storage.W002", include_deployment_checks=True) == [f"Everybody on this machine can read {path}."]
    path.chmod(0o640)
    assert found("storage.W002", include_deployment_checks=True) == []


@pytest.mark.parametrize("given", ["", ":memory:", "file:///x?mode=ro", None])
def test_what_is_no_path_has_no_file(given: object) -> None:
    """Nothing is made of it."""
    assert not files.has_file(given)


def test_the_start_says_which_database_it_is(
    log_lines: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is and who asks, never the password."""
    address = {"NAME": "payments", "USER": "shop", "PASSWORD": "s3cret", "HOST": "db.example", "PORT": ""}
    settings = {**connections.settings["default"], "ENGINE": "servicekit.db.mysql", **address}
    monkeypatch.setitem(connections.settings, "default", settings)
    naming.say_which()
    (line,) = log_lines()
    said = {key: line[key] for key in ("event", "engine", "name", "user", "host")}
    assert said == {
        "event": "database.used",
        "engine": "mysql",
        "name": "payments",
        "user": "shop",
        "host": "db.example",
    }
    assert "s3cret" not in str(line)
    assert "port" not in line
