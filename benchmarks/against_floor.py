"""Orders a second of the services next to the floor's, in turn, on one engine.

    .venv/bin/python -m benchmarks.against_floor                                        SQLite
    scripts/databases run --durable postgres -- .venv/bin/python -m benchmarks.against_floor
    benchmarks/engines.sh                                                               all three

Starts what the Procfile starts (on databases of its own and free ports) and the floor (`floor.py`, on the same engine),
and has `wrk` place orders at each in turn. Prints a line for each round and one for all: orders a second, latency, the
ratio; processor time of an order in all processes of the services; and what the engine has counted for an order:
commits, and syncs of the disk.
"""

import argparse
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from start import processors
from tests import databases
from tests.client import Http
from tests.stack import ROOT, Process, Stack, forget, free_ports, migrate, wait_until

HERE: Final = Path(__file__).parent
ROLES: Final = ("product", "payment", "order")
# On the engine's line of the output.
NAMES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MariaDB or MySQL"}
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What `wrk` said of one round; latencies in ms."""

    orders_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk, brew install wrk")
    with tempfile.TemporaryDirectory() as made, ExitStack() as ending:
        folder = Path(made)
        migrate(folder)
        ending.callback(forget, folder)
        stack = Stack(folder)
        processes = _services(stack, folder, given.workers)
        for process in processes:
            process.start()
            ending.callback(process.stop)
        for service in stack.services.values():
            wait_until(Http(service.url).is_healthy, what=f"{service.name} up")
        floor_url = _start_floor(folder, ending)
        url = f"{stack.services['order_service'].url}/api/orders/"
        print(f"{NAMES[databases.ENGINE]}, {given.workers} process(es) a service", flush=True)
        _measure(stack, processes, url, floor_url, given)
    return 0


def _parser() -> argparse.ArgumentParser:
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "9")))
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("SECONDS_EACH", "8")), help="of each round")
    parser.add_argument("--clients", type=int, default=8, help="that place orders at the same time")
    parser.add_argument("--workers", default="1", help="processes of each service")
    return parser


def _measure(stack: Stack, processes: Sequence[Process], url: str, floor_url: str, given: argparse.Namespace) -> None:
    ours: list[Load] = []
    floors: list[Load] = []
    orders, cpu_s = 0, 0.0
    counted: Counter[str] = Counter()
    _load(url, clients=given.clients, seconds=2)  # warm
    _load(floor_url, clients=given.clients, seconds=2)
    for number in range(1, given.rounds + 1):
        floors.append(_load(floor_url, clients=given.clients, seconds=given.seconds))
        counted_before, cpu_before = _counted(stack), _cpu_s(processes)
        ours.append(_load(url, clients=given.clients, seconds=given.seconds))
        cpu_s += _cpu_s(processes) - cpu_before
        counted.update(_counted(stack))
        counted.subtract(counted_before)
        orders += round(ours[-1].orders_per_s * given.seconds)
        print(f"{number}: {_line(ours[-1], floors[-1])}", flush=True)
    print(f"mean: {_line(_mean(ours), _mean(floors))}")
    print(f"single rounds: {min(_ratios(ours, floors)):.3f} to {max(_ratios(ours, floors)):.3f}")
    print(f"processor time of an order, all processes of the services: {cpu_s / orders * 1000:.2f} ms")
    for what, count in counted.items():
        print(f"{what} an order: {count / orders:.2f}")
    if not databases.IS_SERVER:
        print(
            f"commits an order: {_commits_on_sqlite(stack, url, given.clients):.2f}; nothing is synced but checkpoints"
        )


def _mean(loads: Sequence[Load]) -> Load:
    return Load(
        mean(load.orders_per_s for load in loads),
        mean(load.p50_ms for load in loads),
        mean(load.p99_ms for load in loads),
        sum(load.errors for load in loads),
    )


def _ratios(ours: Sequence[Load], floors: Sequence[Load]) -> list[float]:
    return [mine.orders_per_s / floor.orders_per_s for mine, floor in zip(ours, floors, strict=True)]


def _line(mine: Load, floor: Load) -> str:
    return (
        f"{mine.orders_per_s:.0f} orders/s, floor {floor.orders_per_s:.0f}, "
        f"ratio {mine.orders_per_s / floor.orders_per_s:.3f}; "
        f"50 % within {mine.p50_ms:.1f} ms, 99 % within {mine.p99_ms:.1f} ms; {mine.errors + floor.errors} errors"
    )


def _load(url: str, *, clients: int, seconds: int) -> Load:
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(HERE / "order.lua"), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    errors = re.findall(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.findall(r"(?:connect|read|write|timeout) (\d+)", said)
    return Load(
        float(_found(r"Requests/sec:\s+([\d.]+)", said)[0]),
        _ms(*_found(r"50%\s+([\d.]+)(us|ms|s|m)", said)),
        _ms(*_found(r"99%\s+([\d.]+)(us|ms|s|m)", said)),
        sum(map(int, errors + broken)),
    )


def _found(pattern: str, said: str) -> Sequence[str]:
    found = re.search(pattern, said)
    if found is None:
        raise SystemExit(f"wrk said nothing of the kind:\n{said}")
    return found.groups()


def _ms(number: str, unit: str) -> float:
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


# ---- what is started


def _services(stack: Stack, folder: Path, workers: str) -> list[Process]:
    """The Procfile's lines of the three services, on the stack's ports, and where `make run` has them."""
    found = []
    places = processors({"WORKERS": workers})
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, command = line.split(": ", 1)
        service = next((each for each in stack.services.values() if each.name in command), None)
        if service is None:
            continue
        command = re.sub(r"--port \d+", f"--port {service.port}", command).replace(".metrics", str(folder / "metrics"))
        environment = {**service.environment, "WORKERS": workers}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        pinned = ["taskset", "--cpu-list", str(places[name])] if name in places else []
        log = folder / f"{name}.log"
        found.append(Process(name, [*pinned, "sh", "-c", command], environment=environment, log=log))
    return found


def _start_floor(folder: Path, ending: ExitStack) -> str:
    """The floor's three parts; the URL of the one that takes orders."""
    ports = dict(zip(ROLES, free_ports(len(ROLES)), strict=True))
    for role in ROLES:
        database = databases.at(folder / f"floor_{role}.sqlite3")
        database.create()
        ending.callback(database.drop)
        environment = {
            **os.environ,
            "FLOOR_ROLE": role,
            "FLOOR_PORTS": json.dumps(ports),
            "FLOOR_DATABASE": json.dumps(_where(database)),
        }
        subprocess.run([sys.executable, "-m", "benchmarks.floor"], cwd=ROOT, env=environment, check=True)
        server = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(ports[role])]
        options = [
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--log-level",
            "critical",
            "benchmarks.floor:application",
        ]
        process = Process(
            f"floor-{role}",
            [sys.executable, *server, *options],
            environment=environment,
            log=folder / f"floor-{role}.log",
        )
        process.start()
        ending.callback(process.stop)
    order = Http(f"http://127.0.0.1:{ports['order']}")
    wait_until(lambda: _is_placed(order), what="the floor up")
    return f"http://127.0.0.1:{ports['order']}/"


def _is_placed(floor: Http) -> bool:
    try:
        return floor.post("/", {"customer_name": "Alice", "product_ids": [1, 2]}).status == 201
    except OSError:
        return False


def _where(database: databases.Database) -> dict[str, Any]:
    if not databases.IS_SERVER:
        return {"engine": "sqlite", "path": str(database.path)}
    environment = database.environment
    named = {name.lower(): environment[f"DB_{name}"] for name in ("HOST", "USER", "PASSWORD", "NAME")}
    return {"engine": databases.ENGINE, **named, "port": int(environment["DB_PORT"])}


# ---- what is counted


def _cpu_s(processes: Sequence[Process]) -> float:
    """Seconds of processor time that these and all below them have used so far."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        parents.setdefault(int(fields[1]), []).append(number)
        used[number] = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    todo, total = [process.group for process in processes if process.group is not None], 0.0
    while todo:
        number = todo.pop()
        total += used.get(number, 0.0)
        todo += parents.get(number, [])
    return total


# What a server counts -> where it stands, as the last column of a row.
_COUNTS: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {},
    "postgres": {
        "commits": "select sum(xact_commit) from pg_stat_database",
        "syncs of the log": "select wal_sync from pg_stat_wal",
    },
    "mysql": {
        "commits": "show global status like 'Com_commit'",
        "syncs of all files": "show global status like 'Innodb_data_fsyncs'",
    },
}
# As often as a backend of PostgreSQL tells what it has counted; and what is behind the answers is done by then.
_TOLD_EVERY_S: Final = 1.1


def _counted(stack: Stack) -> dict[str, int]:
    """What the server has counted so far."""
    counts = _COUNTS[databases.ENGINE]
    if counts:
        time.sleep(_TOLD_EVERY_S)
    return {what: int(stack.services["order_service"].rows(sql)[0][-1]) for what, sql in counts.items()}


def _commits_on_sqlite(stack: Stack, url: str, clients: int) -> float:
    """Commits in the write-ahead logs for an order; a reader keeps the logs from starting anew."""
    with ExitStack() as held:
        for service in stack.services.values():
            connection = held.enter_context(closing(sqlite3.connect(service.db.path, isolation_level=None)))
            connection.execute("begin")
            connection.execute("select count(*) from sqlite_master").fetchone()
        before = sum(_commits_in(service.db.path) for service in stack.services.values())
        load = _load(url, clients=clients, seconds=2)
        time.sleep(1)  # what is behind the answers
        after = sum(_commits_in(service.db.path) for service in stack.services.values())
    return (after - before) / (load.orders_per_s * 2)


def _commits_in(path: Path) -> int:
    """Frames that end a transaction (https://www.sqlite.org/fileformat.html#the_write_ahead_log)."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    page, salts = int.from_bytes(log[8:12], "big"), log[16:24]
    frames = (log[at : at + 24] for at in range(32, len(log) - 24, page + 24))
    return sum(frame[8:16] == salts and frame[4:8] != b"\0\0\0\0" for frame in frames)


if __name__ == "__main__":
    sys.exit(main())
