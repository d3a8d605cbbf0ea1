"""What a driver costs: a transaction of some statements, in turn with each, in processor time and until it is through.

    scripts/databases run mysql -- .venv/bin/python -m benchmarks.drivers       PyMySQL next to mysqlclient
    scripts/databases run postgres -- .venv/bin/python -m benchmarks.drivers    psycopg without and with a pipeline

mysqlclient is no requirement of ours: `pip install mysqlclient` needs a C compiler and MariaDB's headers.
"""

import os
import statistics
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

ROUNDS: Final = 9
TRANSACTIONS: Final = 200
_TABLE: Final = "create table paid(id varchar(36) primary key, name text, status varchar(16), total numeric(12, 2))"


def main() -> None:
    ways = _postgres() if "postgresql" in os.environ["DB_ENGINE"] else _mysql()
    cpu_us: dict[str, list[float]] = {name: [] for name in ways}
    wall_us: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, transaction in ways.items():
            began, used = time.perf_counter(), time.thread_time()
            for _ in range(TRANSACTIONS):
                transaction()
            cpu_us[name].append((time.thread_time() - used) / TRANSACTIONS * 1e6)
            wall_us[name].append((time.perf_counter() - began) / TRANSACTIONS * 1e6)
    first = next(iter(ways))
    for name in ways:
        cpu, wall = statistics.median(cpu_us[name]), statistics.median(wall_us[name])
        of_first = f"{cpu / statistics.median(cpu_us[first]):.2f} and {wall / statistics.median(wall_us[first]):.2f}"
        print(
            f"{name}: {cpu:.0f} µs of the client's processor, {wall:.0f} µs until it is through; {of_first} of {first}"
        )


def _mysql() -> dict[str, Callable[[], None]]:
    found: dict[str, Callable[[], None]] = {}
    for name, module in (("PyMySQL", "pymysql"), ("mysqlclient", "MySQLdb")):
        try:
            driver = import_module(module)
        except ImportError:
            print(f"{name} is not installed")
            continue
        connection = driver.connect(
            host=os.environ["DB_HOST"],
            port=int(os.environ["DB_PORT"]),
            user=os.environ["DB_USER"],
            password=os.environ["DB_PASSWORD"],
            autocommit=True,
        )
        cursor = connection.cursor()
        if not found:
            cursor.execute("create database drivers")
        cursor.execute("use drivers")
        if not found:
            cursor.execute(_TABLE)
        found[name] = _transaction(cursor.execute, read=cursor.fetchall)
    return found


def _postgres() -> dict[str, Callable[[], None]]:
    address = {name: os.environ[f"DB_{name.upper()}"] for name in ("host", "port", "user", "password")}
    connection: Any = import_module("psycopg").connect(dbname="postgres", autocommit=True, **address)
    connection.execute(_TABLE)
    # What is measured is the way there and back, not the disk.
    connection.execute("set synchronous_commit = off")
    by_statement = _transaction(connection.execute)

    def in_a_pipeline() -> None:
        with connection.pipeline():
            by_statement()

    return {"statement by statement": by_statement, "in a pipeline": in_a_pipeline}


def _transaction(execute: Callable[..., Any], *, read: Callable[[], Any] | None = None) -> Callable[[], None]:
    """Three rows written, one changed; read, where a driver's own reading is to be measured, too."""

    def run() -> None:
        execute("begin")
        for _ in range(3):
            name = str(uuid.uuid4())
            execute("insert into paid values(%s, %s, %s, %s)", (name, "Alice", "PENDING", "50.00"))
        execute("update paid set status = %s where id = %s", ("PAID", name))
        if read is not None:
            execute("select id, name, status, total from paid where id = %s", (name,))
            read()
        execute("commit")

    return run


if __name__ == "__main__":
    main()
