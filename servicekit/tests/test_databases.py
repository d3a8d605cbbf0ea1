"""What the `DB_*` variables come to for a database server."""

from pathlib import Path
from typing import Any

import pytest
from environs import EnvError

from servicekit import env as environment

POSTGRESQL = "django.db.backends.postgresql"
MYSQL = "django.db.backends.mysql"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """None of them set."""
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "PASSWORD_FILE", "HOST", "PORT", "CONNECT_TIMEOUT_S")
    limits = ("LOCK_TIMEOUT_S", "STATEMENT_TIMEOUT_S", "IDLE_IN_TRANSACTION_TIMEOUT_S")
    for name in (*names, *limits, "POOL_MIN", "POOL_MAX", "POOL_TIMEOUT_S"):
        monkeypatch.delenv(f"DB_{name}", raising=False)
    for name in ("REQUESTS_AT_ONCE", "READS_AT_ONCE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def read(folder: Path) -> dict[str, Any]:
    return environment.database(environment.read(folder), default_sqlite=folder / "some_service" / "db.sqlite3")


@pytest.mark.parametrize("engine", [POSTGRESQL, MYSQL])
def test_its_address_is_taken_from_the_variables(tmp_path: Path, variables: pytest.MonkeyPatch, engine: str) -> None:
    """Django's dotted engine names; the password may be a mounted secret."""
    (tmp_path / "password").write_text("s3cret\n")
    given = {"ENGINE": engine, "NAME": "orders", "USER": "app", "HOST": "db", "PORT": "5432"}
    for name, value in {**given, "PASSWORD_FILE": str(tmp_path / "password")}.items():
        variables.setenv(f"DB_{name}", value)
    database = read(tmp_path)
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    assert tuple(database[name] for name in names) == ("orders", "app", "s3cret", "db", "5432")


@pytest.mark.parametrize("engine", [POSTGRESQL, MYSQL])
def test_without_a_name_it_has_the_services(tmp_path: Path, variables: pytest.MonkeyPatch, engine: str) -> None:
    """So that several services can be given the same variables."""
    variables.setenv("DB_ENGINE", engine)
    assert read(tmp_path)["NAME"] == "some_service"


def test_an_engine_that_is_not_known_is_named(tmp_path: Path, variables: pytest.MonkeyPatch) -> None:
    """With those that are."""
    variables.setenv("DB_ENGINE", "django.db.backends.oracle")
    with pytest.raises(EnvError, match=r'"DB_ENGINE" must be one of .*sqlite3.*postgresql.*mysql'):
        read(tmp_path)


def test_postgresql_has_a_pool_and_limits(tmp_path: Path, variables: pytest.MonkeyPatch) -> None:
    """A pool takes the place of connections that stay with a thread; the limits are the session's from its start."""
    variables.setenv("DB_ENGINE", POSTGRESQL)
    variables.setenv("DB_LOCK_TIMEOUT_S", "0.25")
    variables.setenv("REQUESTS_AT_ONCE", "40")
    database = read(tmp_path)
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, True)
    options = database["OPTIONS"]
    assert options["pool"] == {"min_size": 1, "max_size": 55, "timeout": 3.0, "reconnect_timeout": 3.0}
    assert options["connect_timeout"] == 3
    assert options["options"] == (
        r"-c default_transaction_isolation=read\ committed -c statement_timeout=10000 -c lock_timeout=250 "
        "-c idle_in_transaction_session_timeout=30000"
    )


def test_mysql_has_a_strict_session(tmp_path: Path, variables: pytest.MonkeyPatch) -> None:
    """Set up when the connection is made, for MySQL and MariaDB each in its own words."""
    variables.setenv("DB_ENGINE", MYSQL)
    variables.setenv("DB_STATEMENT_TIMEOUT_S", "2.5")
    variables.setenv("DB_LOCK_TIMEOUT_S", "0.25")
    database = read(tmp_path)
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (None, True)
    options = database["OPTIONS"]
    assert (options["isolation_level"], options["charset"]) == ("read committed", "utf8mb4")
    assert (options["connect_timeout"], options["read_timeout"], options["write_timeout"]) == (3, 7.5, 7.5)
    assert "STRICT_TRANS_TABLES" in options["init_command"]
    assert "time_zone='+00:00', innodb_lock_wait_timeout=1 " in options["init_command"]
    assert "/*M!100100 , max_statement_time=2.5, idle_transaction_timeout=30 */" in options["init_command"]
    assert "/*!50708 , max_execution_time=2500 */" in options["init_command"]
