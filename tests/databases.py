"""The services' databases on whatever engine the tests run on: made, copied, read beside the service, dropped.

A database is named by a path. On SQLite that is its file; on a server (`TEST_DB_*`, which `scripts/databases` sets) it
is a database called after that path. Rows read the same everywhere: `?` stands for a value, and a UUID is text that
`uuid.UUID` understands.
"""

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pymysql

# sqlite, postgres or mysql.
ENGINE: Final = os.environ.get("TEST_DB_ENGINE", "sqlite")
IS_SERVER: Final = ENGINE != "sqlite"
WAITS_S: Final = 20
# InnoDB's list of transactions may be that old.
SAYS_THE_SAME_FOR_S: Final = 0.11

Rows = list[tuple[Any, ...]]


class Database:
    """One service's database. On SQLite, unless a subclass says otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def environment(self) -> dict[str, str]:
        """What the service must be told to use it."""
        return {"DB_NAME": str(self.path)}

    @property
    def nowhere(self) -> dict[str, str]:
        """What points a service at a database that cannot be reached."""
        return {"DB_NAME": str(self.path / "nowhere")}

    def create(self) -> None:
        """Make an empty one."""

    def copy_to(self, other: "Database") -> None:
        """Make the other one like this one, which nobody uses."""
        shutil.copy(self.path, other.path)

    def drop(self) -> None:
        """Nothing: its folder goes away."""

    def connect(self) -> Any:
        """A connection that commits by itself."""
        return sqlite3.connect(self.path, timeout=WAITS_S, isolation_level=None)

    def rows(self, sql: str, *values: Any) -> Rows:
        """What it says."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=WAITS_S)) as connection:
            return connection.execute(sql, values).fetchall()

    def is_being_written(self) -> bool:
        """Whether somebody is in the middle of a transaction."""
        with closing(sqlite3.connect(self.path, timeout=0.05, isolation_level=None)) as connection:
            try:
                connection.execute("begin immediate")
            except sqlite3.OperationalError:
                return True
            connection.execute("rollback")
            return False

    def run(self, sql: str, *values: Any) -> int:
        """Change something past the service; returns how many rows that changed."""
        with closing(self.connect()) as connection:
            return int(connection.execute(sql, values).rowcount)


class _OnServer(Database):
    """A database on the server of `TEST_DB_*`, which may hold those of other runs."""

    django_engine = ""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"

    @property
    def environment(self) -> dict[str, str]:
        address = {f"DB_{name}": os.environ[f"TEST_DB_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD")}
        return {"DB_ENGINE": self.django_engine, "DB_NAME": self.name, **address}

    @property
    def nowhere(self) -> dict[str, str]:
        return {"DB_NAME": "nowhere"}

    def create(self) -> None:
        self.drop()
        self._tell(f"CREATE DATABASE {self.name}")

    def connect(self) -> Any:
        return self._connection(self.name)

    def rows(self, sql: str, *values: Any) -> Rows:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(_marked(sql), values or None)
            return [tuple(map(_plain, row)) for row in cursor.fetchall()]

    def run(self, sql: str, *values: Any) -> int:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(_marked(sql), values or None)
            return int(cursor.rowcount)

    def _tell(self, *statements: str) -> None:
        """Tell the server itself."""
        with closing(self._connection(self._own)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    _own: str | None = None

    def _connection(self, name: str | None) -> Any:
        raise NotImplementedError

    def _address(self) -> Mapping[str, Any]:
        names = ("HOST", "PORT", "USER", "PASSWORD")
        host, port, user, password = (os.environ[f"TEST_DB_{name}"] for name in names)
        return {"host": host, "port": int(port), "user": user, "password": password}


class Postgres(_OnServer):
    """Copies as the server copies its own templates."""

    django_engine = "django.db.backends.postgresql"
    _own = "postgres"

    def copy_to(self, other: Database) -> None:
        assert isinstance(other, Postgres)
        other.drop()
        self._tell(f"CREATE DATABASE {other.name} TEMPLATE {self.name}")

    def is_being_written(self) -> bool:
        others = "datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'"
        return bool(self.rows(f"select 1 from pg_stat_activity where {others} limit 1"))

    def drop(self) -> None:
        self._tell(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def _connection(self, name: str | None) -> Any:
        return psycopg.connect(**self._address(), dbname=name, autocommit=True, connect_timeout=WAITS_S)


class MySQL(_OnServer):
    """Copies table by table: their own CREATE statements keep keys, checks and counters."""

    django_engine = "django.db.backends.mysql"

    def is_being_written(self) -> bool:
        time.sleep(SAYS_THE_SAME_FOR_S)
        of_ours = "information_schema.processlist where db = database()"
        return bool(
            self.rows(
                f"select 1 from information_schema.innodb_trx where trx_mysql_thread_id in (select id from {of_ours})"
            )
        )

    def copy_to(self, other: Database) -> None:
        assert isinstance(other, MySQL)
        other.create()
        tables = [table for (table,) in self.rows("SHOW TABLES")]
        with closing(other.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for table in tables:
                cursor.execute(f"SHOW CREATE TABLE {self.name}.{table}")
                cursor.execute(cursor.fetchone()[1])
                columns = ", ".join(self._written_columns(cursor, table))
                cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {self.name}.{table}")

    def drop(self) -> None:
        self._tell(f"DROP DATABASE IF EXISTS {self.name}")

    def _written_columns(self, cursor: Any, table: str) -> list[str]:
        """All but those that the server computes."""
        cursor.execute(f"SHOW COLUMNS FROM {self.name}.{table}")
        return [f"`{column}`" for column, *_, extra in cursor.fetchall() if "GENERATED" not in extra.upper()]

    def _connection(self, name: str | None) -> Any:
        return pymysql.connect(
            **self._address(), database=name, autocommit=True, charset="utf8mb4", connect_timeout=WAITS_S
        )


KINDS: Final[Mapping[str, type[Database]]] = {"sqlite": Database, "postgres": Postgres, "mysql": MySQL}


def at(path: Path) -> Database:
    """The database of that name, on the engine that the tests run on."""
    return KINDS[ENGINE](path)


def _marked(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s") if "?" in sql else sql


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
