"""What the `DB_*` variables come to for a database server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from environs import EnvError
from psycopg import IsolationLevel

from servicekit.settings import env as environment

POSTGRESQL = "django.db.backends.postgresql"
MYSQL = "django.db.backends.mysql"
TLS = ("SSLMODE", "SSLROOTCERT")


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """None of them set."""
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "PASSWORD_FILE", "HOST", "PORT", "CONNECT_TIMEOUT_S")
    limits = ("LOCK_TIMEOUT_S", "STATEMENT_TIMEOUT_S", "IDLE_IN_TRANSACTION_TIMEOUT_S")
    for name in (*names, *limits, *TLS, "POOL_MIN", "POOL_MAX", "POOL_TIMEOUT_S", "TRANSACTION_POOLING"):
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


@pytest.fixture
def trusted(tmp_path: Path) -> str:
    """A file of certificates."""
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----")
    return str(path)


def protection(folder: Path) -> dict[str, Any]:
    return {name: value for name, value in read(folder)["OPTIONS"].items() if name.startswith("ssl")}


@pytest.mark.parametrize("engine", [POSTGRESQL, MYSQL])
def test_without_a_word_the_driver_does_as_it_does(tmp_path: Path, variables: pytest.MonkeyPatch, engine: str) -> None:
    """TLS where the server has it."""
    variables.setenv("DB_ENGINE", engine)
    assert protection(tmp_path) == {}


PROTECTIONS: Final[Mapping[tuple[str, bool], tuple[str, dict[str, Any]]]] = {
    ("disable", False): ("disable", {"ssl_disabled": True}),
    ("prefer", False): ("prefer", {}),
    ("allow", False): ("allow", {}),
    ("require", False): ("require", {"ssl": {"verify_mode": "none"}}),
    ("require", True): ("verify-ca", {"ssl_verify_cert": True}),
    ("verify-ca", True): ("verify-ca", {"ssl_verify_cert": True}),
    ("verify-full", True): ("verify-full", {"ssl_verify_cert": True, "ssl_verify_identity": True}),
    ("", True): ("verify-full", {"ssl_verify_cert": True, "ssl_verify_identity": True}),
}


@pytest.mark.parametrize("asked", PROTECTIONS)
def test_a_connection_is_protected_as_was_asked(
    tmp_path: Path, variables: pytest.MonkeyPatch, trusted: str, asked: tuple[str, bool]
) -> None:
    """The same words for both kinds of server; certificates alone ask for the server's own name, too."""
    mode, has_ca = asked
    postgresql, mysql = PROTECTIONS[asked]
    variables.setenv("DB_SSLMODE", mode)
    variables.setenv("DB_SSLROOTCERT", trusted if has_ca else "")
    variables.setenv("DB_ENGINE", POSTGRESQL)
    assert protection(tmp_path) == {"sslmode": postgresql, **({"sslrootcert": trusted} if has_ca else {})}
    variables.setenv("DB_ENGINE", MYSQL)
    assert protection(tmp_path) == {**mysql, **({"ssl_ca": trusted} if has_ca else {})}


HALF: Final[Mapping[tuple[str, str], str]] = {
    ("on", ""): r"\"DB_SSLMODE\" must be one of .*verify-full.*, not 'on'",
    ("VERIFY-FULL", ""): '"DB_SSLMODE" must be one of',
    ("verify-full", ""): '"DB_SSLROOTCERT" must name the file',
    ("verify-ca", ""): '"DB_SSLROOTCERT" must name the file',
    ("", "/no/such/file"): '"DB_SSLROOTCERT" names a file that is not there: /no/such/file',
    ("prefer", __file__): "no certificate is looked at",
    ("disable", __file__): "no certificate is looked at",
}


@pytest.mark.parametrize("engine", [POSTGRESQL, MYSQL])
@pytest.mark.parametrize("asked", HALF)
def test_half_a_protection_is_refused(
    tmp_path: Path, variables: pytest.MonkeyPatch, engine: str, asked: tuple[str, str]
) -> None:
    """Whoever asks for a certificate to be looked at must not get less without a word."""
    variables.setenv("DB_ENGINE", engine)
    variables.setenv("DB_SSLMODE", asked[0])
    variables.setenv("DB_SSLROOTCERT", asked[1])
    with pytest.raises(EnvError, match=HALF[asked]):
        read(tmp_path)


def test_a_pooler_between_is_told_nothing_of_a_session(tmp_path: Path, variables: pytest.MonkeyPatch) -> None:
    """No options at the start, no cursor that outlives a statement; each transaction says its isolation itself."""
    variables.setenv("DB_ENGINE", POSTGRESQL)
    assert read(tmp_path)["DISABLE_SERVER_SIDE_CURSORS"] is False
    assert read(tmp_path)["OPTIONS"]["prepare_threshold"] == 5
    variables.setenv("DB_TRANSACTION_POOLING", "on")
    database = read(tmp_path)
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert not {"options", "prepare_threshold", "server_side_binding"} & set(database["OPTIONS"])
    assert database["OPTIONS"]["isolation_level"] == IsolationLevel.READ_COMMITTED
    assert database["OPTIONS"]["pool"]["max_size"] == 16
