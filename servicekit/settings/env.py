"""The environment, read once by each `settings.py`: `.env` beside `manage.py`, overridden by the real environment.

Every reader names the variable in its error, so that a wrong value stops the start with a sentence.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dotenv import load_dotenv
from environs import Env, EnvError

from servicekit import money
from servicekit.settings import databases

SQLITE: Final = "django.db.backends.sqlite3"
# Django's backend, on a connection that notices when its file is moved away.
OUR_SQLITE: Final = "servicekit.db.sqlite"
# Longer than any write of ours takes, shorter than a client's patience.
SQLITE_BUSY_TIMEOUT_S: Final = 20
# Of a new database. A commit writes every page that it touched, an order some sixty, each for a row or an index entry;
# so half of SQLite's own 4,096 is half to write and to sum up.
SQLITE_PAGE_BYTES: Final = 2048
# Pages that the write-ahead log may grow to before they are carried into the file, which waits for the disk twice.
# SQLite's own 1,000 are a dozen orders; at 20,000 a page that changes often is carried once, not twenty times.
SQLITE_CHECKPOINT_PAGES: Final = 20_000
_SQLITE_SYNCHRONOUS: Final = ("NORMAL", "FULL")
# What says where a database is, by what Django calls it.
_ADDRESS: Final[Mapping[str, str]] = {
    "NAME": "DB_NAME",
    "USER": "DB_USER",
    "PASSWORD": "DB_PASSWORD",
    "HOST": "DB_HOST",
    "PORT": "DB_PORT",
}


@dataclass(frozen=True)
class OtherNames:
    """The variables by which another service found its database, understood where no `DB_*` says where ours is.

    `variables` and `defaults` go by what Django calls it; a default is what that service used where one is not set.
    """

    engine: str
    variables: Mapping[str, str]
    defaults: Mapping[str, str]


@dataclass(frozen=True)
class SecretSource:
    """A secret that may change while the process runs: what it was at the start, and the file to look at again."""

    variable: str
    value: str = field(default="", repr=False)
    file: str = ""


def read(directory: Path) -> Env:
    """The variables of the process, and below them those of `directory/.env` where there is one.

    `ENV_FILE` names another file in its place. Empty, it means none: tests must not read what a user has set up.
    """
    named = os.environ.get("ENV_FILE")
    path = Path(directory / ".env" if named is None else named)
    if named and not path.is_file():
        raise EnvError(f'Environment variable "ENV_FILE" names a file that is not there: {named}')
    if named is None or named:
        load_dotenv(path)
    return Env()


def secret(env: Env, name: str, *, default: str = "") -> str:
    """The secret in the variable `name`, or in the file that `name`_FILE points to (Docker and Kubernetes secrets)."""
    path = env.str(f"{name}_FILE", default="")
    if not path:
        return env.str(name, default=default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise EnvError(f'Environment variable "{name}_FILE" names a file that cannot be read: {problem}') from problem


def peer_key(env: Env, name: str) -> SecretSource:
    """The key that a peer is shown, in the variable `name` or in the file that `name`_FILE points to; none: empty."""
    value = secret(env, name).strip()
    if not is_token(value):
        raise EnvError(f'Environment variable "{name}", or its file, must be printable ASCII without blanks')
    return SecretSource(name, value, env.str(f"{name}_FILE", default=""))


def is_token(text: str) -> bool:
    """Whether a header can carry it as it is."""
    return text.isascii() and text.isprintable() and " " not in text


def service_url(env: Env, name: str, *, default: str) -> str:
    """An http(s) URL that ends in exactly one slash."""
    url = env.str(name, default=default).rstrip("/") + "/"
    if not url.startswith(("http://", "https://")):
        raise EnvError(f'Environment variable "{name}" must be an http:// or https:// URL, not {url!r}')
    return url


def origins(env: Env, name: str) -> list[str]:
    """Origins as browsers send them, `https://shop.example.org` or `http://localhost:3000`; none when not set."""
    given: list[str] = env.list(name, default=[])
    found = [origin.strip() for origin in given]
    for origin in found:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin, re.ASCII):
            raise EnvError(
                f'Environment variable "{name}" must be origins like "https://shop.example.org", not {origin!r}'
            )
    return found


def currencies(env: Env, name: str, *, default: str) -> list[str]:
    """ISO 4217 codes, separated by commas; at least one, each once."""
    given: list[str] = env.list(name, default=default.split(","))
    found = list(dict.fromkeys(code.strip().upper() for code in given))
    if not found or not all(map(money.is_currency, found)):
        raise EnvError(f'Environment variable "{name}" must be ISO 4217 codes like "USD,EUR", not {",".join(given)!r}')
    return found


def milliseconds(env: Env, name: str, *, default: str) -> tuple[float, float]:
    """A span of milliseconds ("20-80", or "50" for exactly that), in seconds."""
    text = env.str(name, default=default)
    match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", text, re.ASCII)
    if match is None or int(match[1]) > int(match[2] or match[1]):
        raise EnvError(f'Environment variable "{name}" must be milliseconds like "20-80", not {text!r}')
    return int(match[1]) / 1000, int(match[2] or match[1]) / 1000


def database(env: Env, *, default_sqlite: Path, also: OtherNames | None = None) -> dict[str, Any]:
    """Django's `DATABASES["default"]` from the `DB_*` variables; where none is set from those of `also`, else SQLite.

    SQLite is set up to be a real default (docs/adr/0003): write-ahead log, the write lock taken when a transaction
    begins, so that two writers queue instead of failing with "database is locked", and connections kept open.
    `SQLITE_SYNCHRONOUS` is NORMAL unless set: kill -9 loses nothing, a power cut may lose the last moments (never the
    file's consistency). FULL survives that too, at a third of the throughput. `SQLITE_BUSY_TIMEOUT_S` is how long a
    write waits for another process's lock before the answer is 503. `DATA_DIR` is the folder of the file unless
    `DB_NAME` says otherwise.

    PostgreSQL, MySQL and MariaDB are in `databases.py`; their database has the name of the service's folder unless
    `DB_NAME` says otherwise.
    """
    engine, variables = env.str("DB_ENGINE", default=""), _ADDRESS
    defaults: Mapping[str, str] = {"NAME": default_sqlite.parent.name}
    if also is not None and not engine and not _any_is_set(env, _ADDRESS) and _any_is_set(env, also.variables):
        engine, variables, defaults = also.engine, also.variables, also.defaults
    if engine in ("", SQLITE):
        return _sqlite(env, default=default_sqlite)
    if engine not in databases.SERVERS:
        raise EnvError(f'Environment variable "DB_ENGINE" must be one of {(SQLITE, *databases.SERVERS)}')
    return {
        **{part: _part(env, part, variables[part]) or defaults.get(part, "") for part in variables},
        **databases.SERVERS[engine](env),
    }


def _part(env: Env, part: str, name: str) -> str:
    """One part of an address; only the password may be in a file."""
    return secret(env, name) if part == "PASSWORD" else str(env.str(name, default=""))


def _any_is_set(env: Env, variables: Mapping[str, str]) -> bool:
    return any(_part(env, part, name) for part, name in variables.items())


def _sqlite(env: Env, *, default: Path) -> dict[str, Any]:
    synchronous = env.str("SQLITE_SYNCHRONOUS", default="NORMAL").upper()
    if synchronous not in _SQLITE_SYNCHRONOUS:
        raise EnvError(f'Environment variable "SQLITE_SYNCHRONOUS" must be one of {_SQLITE_SYNCHRONOUS}')
    folder = env.str("DATA_DIR", default="")
    return sqlite_file(
        Path(env.str("DB_NAME", default="") or (Path(folder, default.name) if folder else default)),
        timeout_s=env.float("SQLITE_BUSY_TIMEOUT_S", default=SQLITE_BUSY_TIMEOUT_S),
        synchronous=synchronous,
    )


def sqlite_file(
    path: Path, *, timeout_s: float = SQLITE_BUSY_TIMEOUT_S, synchronous: str = _SQLITE_SYNCHRONOUS[0]
) -> dict[str, Any]:
    """An entry in `DATABASES` for a file of SQLite's."""
    return {
        "ENGINE": OUR_SQLITE,
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Said, because pytest-django would guess it only for Django's own backend.
        "TEST": {"NAME": ":memory:"},
        "OPTIONS": {
            "timeout": timeout_s,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                f"PRAGMA page_size={SQLITE_PAGE_BYTES}; PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; "
                f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES};"
            ),
        },
    }
