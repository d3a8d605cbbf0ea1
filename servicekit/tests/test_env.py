"""The environment is read by name, strictly, and the real one beats the `.env` file."""

import os
from pathlib import Path
from typing import Any, Final
from unittest.mock import ANY

import pytest
from environs import EnvError

from servicekit.observability import logs
from servicekit.settings import base
from servicekit.settings import env as environment


def test_the_real_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` beside manage.py fills in what the process was not given."""
    monkeypatch.setenv("GIVEN", "by the process")
    monkeypatch.delenv("MISSING", raising=False)
    (tmp_path / ".env").write_text("GIVEN=by the file\nMISSING=by the file\n")
    env = environment.read(tmp_path)
    assert (env.str("GIVEN"), env.str("MISSING")) == ("by the process", "by the file")


def test_no_file_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of a folder above is taken by mistake."""
    monkeypatch.delenv("ABOVE", raising=False)
    (tmp_path / ".env").write_text("ABOVE=1\n")
    (tmp_path / "service").mkdir()
    assert environment.read(tmp_path / "service").str("ABOVE", default="not there") == "not there"


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ENV_FILE` takes the place of `.env`, which is not read then."""
    monkeypatch.delenv("MISSING", raising=False)
    monkeypatch.delenv("OTHER", raising=False)
    (tmp_path / ".env").write_text("MISSING=by the usual file\nOTHER=by the usual file\n")
    (tmp_path / "another").write_text("MISSING=by another\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "another"))
    env = environment.read(tmp_path)
    assert (env.str("MISSING"), env.str("OTHER", default="not there")) == ("by another", "not there")


def test_no_file_is_read_where_none_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ENV_FILE` empty: what a user has set up is nothing to a test."""
    monkeypatch.delenv("MISSING", raising=False)
    (tmp_path / ".env").write_text("MISSING=by the usual file\n")
    monkeypatch.setenv("ENV_FILE", "")
    assert environment.read(tmp_path).str("MISSING", default="not there") == "not there"


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every variable would be its default, and nobody would know why."""
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "nothing"))
    with pytest.raises(EnvError, match=r'"ENV_FILE" names a file that is not there: .*/nothing'):
        environment.read(tmp_path)


def test_a_secret_comes_from_its_variable_or_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file wins and is stripped, as Docker and Kubernetes mount them."""
    env = environment.read(tmp_path)
    monkeypatch.setenv("API_KEY", "plain")
    assert environment.secret(env, "API_KEY") == "plain"
    assert environment.secret(env, "OTHER_KEY", default="none") == "none"
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    assert environment.secret(env, "API_KEY") == "from the file"


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong mount stops the start with a sentence."""
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "nothing"))
    with pytest.raises(EnvError, match='"API_KEY_FILE" names a file that cannot be read'):
        environment.secret(environment.read(tmp_path), "API_KEY")


@pytest.mark.parametrize(("given", "read"), [(None, ["USD"]), ("EUR", ["EUR"]), ("usd, jpy,USD", ["USD", "JPY"])])
def test_currencies_are_iso_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, read: list[str]
) -> None:
    """In capitals, each once, in the order in which they were given."""
    monkeypatch.delenv("MONEY", raising=False)
    if given is not None:
        monkeypatch.setenv("MONEY", given)
    assert environment.currencies(environment.read(tmp_path), "MONEY", default="USD") == read


@pytest.mark.parametrize("given", ["", ",", "US", "USD,XXX", "dollars", "USD;EUR"])
def test_currencies_that_are_none_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """With the variable's name."""
    monkeypatch.setenv("MONEY", given)
    with pytest.raises(EnvError, match='"MONEY" must be ISO 4217 codes'):
        environment.currencies(environment.read(tmp_path), "MONEY", default="USD")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, "http://localhost:1/api/"),
        ("http://pay:8002/api", "http://pay:8002/api/"),
        ("https://pay/api///", "https://pay/api/"),
    ],
)
def test_a_service_url_ends_in_one_slash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, read: str
) -> None:
    """However it was written."""
    monkeypatch.delenv("PAY_URL", raising=False)
    if given is not None:
        monkeypatch.setenv("PAY_URL", given)
    env = environment.read(tmp_path)
    assert environment.service_url(env, "PAY_URL", default="http://localhost:1/api") == read


@pytest.mark.parametrize("given", ["", "pay:8002", "ftp://pay/", "/api/"])
def test_what_is_no_http_url_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """A wrong address is found at the start, not at the first call."""
    monkeypatch.setenv("PAY_URL", given)
    with pytest.raises(EnvError, match='"PAY_URL" must be an http:// or https:// URL'):
        environment.service_url(environment.read(tmp_path), "PAY_URL", default="http://localhost:1/")


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT"):
        monkeypatch.delenv(f"DB_{name}", raising=False)
    for name in ("SQLITE_SYNCHRONOUS", "SQLITE_BUSY_TIMEOUT_S", "DATA_DIR", "DB_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_sqlite_is_the_default_database(tmp_path: Path, no_database: pytest.MonkeyPatch) -> None:
    """Write-ahead log, the write lock taken at the beginning, a long wait for it."""
    database = environment.database(environment.read(tmp_path), default_sqlite=tmp_path / "db.sqlite3")
    assert (database["ENGINE"], database["NAME"]) == ("servicekit.db.sqlite", str(tmp_path / "db.sqlite3"))
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (None, True)
    assert database["OPTIONS"] == {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA page_size=2048; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA wal_autocheckpoint=20000;"
        ),
    }


def test_sqlites_durability_can_be_chosen(tmp_path: Path, no_database: pytest.MonkeyPatch) -> None:
    """NORMAL unless the environment says FULL; anything else is refused by name."""
    env = environment.read(tmp_path)
    chosen = environment.database(env, default_sqlite=tmp_path / "db")
    assert "synchronous=NORMAL" in chosen["OPTIONS"]["init_command"]
    no_database.setenv("SQLITE_SYNCHRONOUS", "full")
    chosen = environment.database(env, default_sqlite=tmp_path / "db")
    assert "synchronous=FULL" in chosen["OPTIONS"]["init_command"]
    no_database.setenv("SQLITE_SYNCHRONOUS", "OFF; DROP TABLE")
    with pytest.raises(EnvError, match='"SQLITE_SYNCHRONOUS" must be one of'):
        environment.database(env, default_sqlite=tmp_path / "db")


def test_the_file_may_have_another_folder(tmp_path: Path, no_database: pytest.MonkeyPatch) -> None:
    """As in the images; a server's database is not called after it, and DB_NAME says more than DATA_DIR."""
    env, default = environment.read(tmp_path), tmp_path / "some_service" / "db.sqlite3"
    no_database.setenv("DATA_DIR", "/data")
    assert environment.database(env, default_sqlite=default)["NAME"] == "/data/db.sqlite3"
    no_database.setenv("DB_ENGINE", "django.db.backends.postgresql")
    assert environment.database(env, default_sqlite=default)["NAME"] == "some_service"
    no_database.delenv("DB_ENGINE")
    no_database.setenv("DB_NAME", "/elsewhere/orders.db")
    assert environment.database(env, default_sqlite=default)["NAME"] == "/elsewhere/orders.db"


OTHERS: Final = environment.OtherNames(
    engine="django.db.backends.mysql",
    variables={
        "NAME": "OUR_DB",
        "USER": "OUR_USER",
        "PASSWORD": "OUR_PASSWORD",
        "HOST": "OUR_HOST",
        "PORT": "OUR_PORT",
    },
    defaults={"NAME": "shop", "USER": "root", "HOST": "127.0.0.1"},
)


def address(folder: Path) -> dict[str, Any]:
    found = environment.database(environment.read(folder), default_sqlite=folder / "db.sqlite3", also=OTHERS)
    return {name: found[name] for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT") if name in found}


def test_other_names_are_understood_where_ours_are_not_set(tmp_path: Path, no_database: pytest.MonkeyPatch) -> None:
    """Any of them is enough; what is not set is what it was there; the password may be in a file."""
    (tmp_path / "password").write_text("s3cret\n")
    no_database.setenv("OUR_PASSWORD_FILE", str(tmp_path / "password"))
    whole = {"ENGINE": "servicekit.db.mysql", "NAME": "shop", "USER": "root", "PASSWORD": "s3cret", "HOST": "127.0.0.1"}
    assert address(tmp_path) == {**whole, "PORT": ""}
    no_database.setenv("OUR_HOST", "db")
    no_database.setenv("OUR_PORT", "3308")
    assert address(tmp_path) == {**whole, "HOST": "db", "PORT": "3308"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_ENGINE", "django.db.backends.sqlite3"),
        ("DB_NAME", "ours"),
        ("DB_HOST", "ours"),
        ("DB_USER", "ours"),
        ("DB_PASSWORD", "ours"),
        ("DB_PORT", "1"),
    ],
)
def test_our_own_names_say_more(tmp_path: Path, no_database: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Any of them is enough for all others to be nothing to us."""
    no_database.setenv("OUR_HOST", "db")
    no_database.setenv(name, value)
    assert address(tmp_path) == {"ENGINE": "servicekit.db.sqlite", "NAME": "ours" if name == "DB_NAME" else ANY}


def test_variables_without_a_value_are_not_set(tmp_path: Path, no_database: pytest.MonkeyPatch) -> None:
    """As in a copy of .env.example."""
    for name in (*OTHERS.variables.values(), "DB_ENGINE", "DB_NAME", "DB_HOST", "DB_PASSWORD", "DB_PASSWORD_FILE"):
        no_database.setenv(name, "")
    assert address(tmp_path) == {"ENGINE": "servicekit.db.sqlite", "NAME": str(tmp_path / "db.sqlite3")}


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", []),
        ("https://shop.example.org", ["https://shop.example.org"]),
        (
            "https://a.example, http://localhost:3000,http://[::1]",
            ["https://a.example", "http://localhost:3000", "http://[::1]"],
        ),
    ],
)
def test_origins_are_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, origins: list[str]) -> None:
    """Scheme, host and port, as browsers send them."""
    monkeypatch.setenv("ALLOWED", given)
    assert environment.origins(environment.read(tmp_path), "ALLOWED") == origins


@pytest.mark.parametrize(
    "given", ["*", "shop.example.org", "https://a.example/", "ftp://a.example", "https://a b", "null"]
)
def test_what_is_no_origin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """It would never match, and nobody would know why."""
    monkeypatch.setenv("ALLOWED", given)
    with pytest.raises(EnvError, match="ALLOWED"):
        environment.origins(environment.read(tmp_path), "ALLOWED")


def test_the_metrics_directory_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts first need not make it by hand."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "a" / "b"))
    assert base.metrics_directory(environment.read(tmp_path)) == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_an_empty_metrics_directory_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prometheus-client would take the empty name for the current folder."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    assert base.metrics_directory(environment.read(tmp_path)) == ""
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_a_log_level_that_is_none_is_named() -> None:
    """LOG_LEVEL=LOUD stops the start with a sentence."""
    with pytest.raises(ValueError, match='"LOG_LEVEL" must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL'):
        logs.configure(service="x", level="LOUD", as_json=True)
