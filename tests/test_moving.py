"""A service moves from its SQLite file to another database: with all that it knows, or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests import databases, forks
from tests.databases import Database
from tests.stack import ROOT, base_environment

SERVICE = ROOT / "payment_service"
PAYMENTS = (
    "select number, order_id, amount, status, method, reference, created_at from payments_payment order by number"
)
EVENTS = "select position, type, created_at, actor from events_event order by position"
KEYS = "select prefix, hashed_key, name, scopes, limit_per_s, created_at, created_by from apikeys_apikey order by id"


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run([sys.executable, str(SERVICE / "manage.py"), *arguments], {**base_environment(), **environment})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger on SQLite, as it was before: with the sample."""
    path = tmp_path_factory.mktemp("before") / "db.sqlite3"
    assert manage({"DB_NAME": str(path)}, "migrate", "-v0").stderr == ""
    manage({"DB_NAME": str(path)}, "import_payments", str(SERVICE / "sample_payments.csv"))
    manage(
        {"DB_NAME": str(path)}, "keys", "create", "shop", "--scope", "payments:read,payments:charge", "--limit", "5/s"
    )
    return path


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Database]:
    """An empty database on the engine that the tests run on."""
    database = databases.at(tmp_path / "moved.sqlite3")
    database.create()
    yield database
    database.drop()


def said_by(database: Database, sql: str) -> list[tuple[str, ...]]:
    """Its rows, as far as no engine tells them otherwise."""
    return [tuple(map(told, row)) for row in database.rows(sql)]


def told(value: object) -> str:
    """In UTC, and without the zeros at an end, of which SQLite keeps none."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_everything_goes_along(file: Path, new: Database) -> None:
    """Every row, times to the microsecond, and the books hold."""
    before = databases.KINDS["sqlite"](file)
    moved = manage(new.environment, "copy_database", str(file))
    assert (moved.stderr, moved.returncode) == ("", 0)
    assert " 150  payments_payment\n" in moved.stdout
    for sql in (PAYMENTS, EVENTS, KEYS):
        assert said_by(before, sql)
        assert said_by(new, sql) == said_by(before, sql)
    assert said_by(new, "select distinct actor from events_event") == [("command",)]
    assert manage(new.environment, "check_invariants", "--quiet-for", "0").returncode == 0


def test_only_a_new_database_takes_it(file: Path, new: Database, migrated: Path) -> None:
    """Else two histories would be one; whatever was there is left alone."""
    databases.at(migrated / "payment_service.sqlite3").copy_to(new)
    refused = manage(new.environment, "copy_database", str(file))
    assert refused.returncode == 1
    assert refused.stderr.endswith("has tables already; it must be a new one.\n")
    assert new.rows("select count(*) from payments_payment") == [(0,)]


def test_a_file_that_is_not_there_is_named(new: Database, tmp_path: Path) -> None:
    """And not made."""
    refused = manage(new.environment, "copy_database", str(tmp_path / "nothing"))
    assert (refused.returncode, refused.stderr) == (1, f"CommandError: There is no file {tmp_path}/nothing.\n")
    assert not (tmp_path / "nothing").exists()


def test_make_run_leaves_no_books_behind(file: Path, new: Database, tmp_path: Path) -> None:
    """It says what would stay where, and how to go on; nothing is made. Without such a file it just migrates."""
    refused = manage(new.environment, "prepare", "--file", str(file))
    assert refused.returncode == 1
    assert f"{file} holds 150 rows of payments_payment, and the database" in refused.stderr
    assert f"manage.py copy_database {file}" in refused.stderr
    assert manage(new.environment, "prepare", "--file", str(tmp_path / "nothing")).returncode == 0
    assert new.rows("select count(*) from payments_payment") == [(0,)]
