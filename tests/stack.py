"""The real services as real processes: on free ports, with databases of their own in a temporary folder.

Black box: nothing here imports Django or a service. A stack may leave services out, put a scripted peer in one's
place, run several of each on one database, start workers, kill a service the hard way and start it again.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

import start
from tests import databases, forks, undertaker
from tests.client import KNOWN_KEYS, Http

ROOT: Final = Path(__file__).resolve().parent.parent
SERVICES: Final = ("product_stub", "payment_service", "order_service")
# A cold start on a machine that does other things, too.
STARTS_WITHIN_S: Final = 300.0
# Longer than a server gives its own worker to end (25 s), on a machine that does other things, too.
STOPS_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.02
# Of the key with which tests come to a closed service: all that it has.
ALL_SCOPES: Final[Mapping[str, str]] = {
    "order_service": "orders:read,orders:write,orders:cancel,audit:read,events:replay,webhooks",
    "payment_service": (
        "payments:read,payments:charge,payments:capture,payments:refund,audit:read,events:replay,webhooks"
    ),
    "product_stub": "products:read,products:write,reservations,audit:read",
}
# Whether every stack is closed that does not say otherwise: API_AUTH=on, in the environment of the tests.
ARE_CLOSED: Final = start.is_closed(os.environ)
# How much of each log a failed test shows.
SHOWN_LINES: Final = 40


def wait_until(condition: Callable[[], Any], *, within_s: float = STARTS_WITHIN_S, what: str = "") -> Any:
    """Wait for a condition to hold, and return what it returned."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s} s: {what or condition}")
        time.sleep(LOOK_EVERY_S)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.create_server(("127.0.0.1", 0)))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def reserve_ports(count: int) -> list[socket.socket]:
    """Ports that are kept from everybody but our servers, who share them (SO_REUSEPORT), until the sockets are closed.

    While a server is down, its port is otherwise as good as any for whoever needs one: another run of the tests, or any
    connection that is opened on this machine.
    """
    reserved = [socket.socket() for _ in range(count)]
    for each in reserved:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        each.bind(("127.0.0.1", 0))
    return reserved


def base_environment() -> dict[str, str]:
    """What every process gets: nothing of the caller's own but FASTPATH, so that no stray variable changes a test."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "FASTPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "ENV_FILE": "",  # nor of what is in a service's own .env
        "SECRET_KEY": "only-for-tests-" + "x" * 50,
        "DEBUG": "off",
        "LOG_LEVEL": "INFO",
    }


class Running(Protocol):
    """What a process that runs can be asked, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...


def begin(process: "Process") -> Running:
    """Start a process with the libraries loaded already, where its command line allows it."""
    if not forks.can_begin(process.command, process.environment):
        return begin_from_nothing(process)
    begun = forks.begin(process.command, process.environment, out=process.log, err=process.log)
    undertaker.watch(begun.pid)
    return begun


def begin_from_nothing(process: "Process") -> Running:
    """Start a process as it is started where it is in use."""
    with process.log.open("ab") as output:
        begun = subprocess.Popen(
            process.command, env=process.environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    undertaker.watch(begun.pid)
    return begun


class Process:
    """One process in a session of its own, its output in a file."""

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.begin: Callable[[Process], Running] = begin
        self._process: Running | None = None

    def start(self) -> None:
        self._process = self.begin(self)

    @property
    def group(self) -> int | None:
        """The number of its process group; None before its first start."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it has started."""
        if self._process is not None and self.is_running:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """As a crash or an out-of-memory killer would: no chance to tidy up."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOPS_WITHIN_S)
            undertaker.forget(self._process.pid)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        self.ask_to_stop()
        return self.wait()

    def ask_to_stop(self) -> None:
        """Once: a second SIGTERM may find it without a handler, on its last way out."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        if self._process is None:
            return 0
        try:
            status = self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        undertaker.forget(self._process.pid)
        return status

    def log_text(self, *, lines: int | None = None) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text if lines is None else "\n".join(text.splitlines()[-lines:])


class Service(Process):
    """A server of one of the three, with its port and its database, which it may share with others of its kind.

    `database` is what the database is called after, and its file on SQLite.
    """

    def __init__(
        self, name: str, port: int, *, database: Path, environment: Mapping[str, str], workers: int = 1, number: int = 0
    ) -> None:
        self.port = port
        self.database = database
        self.db = databases.at(database)
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "servicekit.server", name, "--port", str(port)]
        super().__init__(
            name,
            command,
            environment={"SERVER_WORKERS": str(workers), **environment, **self.db.environment},
            log=database.with_name(f"{name}{number or ''}.log"),
        )

    def wait_until_up(self) -> None:
        wait_until(self._is_up, what=f"{self.name} up")

    def _is_up(self) -> bool:
        if not self.is_running:
            raise RuntimeError(f"{self.name} ended:\n{self.log_text(lines=SHOWN_LINES)}")
        return Http(self.url).is_healthy()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the service's database says, read beside it; `?` stands for a value on every engine."""
        return self.db.rows(sql, *values)

    def manage(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a management command with the service's own environment, `given` on its standard input."""
        command = [sys.executable, str(ROOT / self.name / "manage.py"), *arguments]
        if not forks.can_begin(command, self.environment):
            options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True}
            return subprocess.run(command, env=self.environment, input=given, check=False, **options)
        return forks.run(command, self.environment, given=given)


class Stack:
    """The three services, wired to each other."""

    def __init__(
        self,
        folder: Path,
        *,
        peers: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        servers: int = 1,
        workers: int = 1,
        closed: bool = ARE_CLOSED,
    ) -> None:
        """`peers`: base URLs that take the place of a service of ours; `settings`: environment per service;
        `servers` of each on one database, with so many processes (`workers`) each. `services` has the first of each.
        `closed`: every request needs a key; the services have theirs in files, and `Http` knows one for each.
        """
        peers, settings = peers or {}, settings or {}
        own = [name for name in SERVICES if name not in peers]
        self._reserved = reserve_ports(len(own) * servers)
        ports = iter(each.getsockname()[1] for each in self._reserved)
        ports_of = {name: [next(ports) for _ in range(servers)] for name in own}
        urls = {name: [f"http://127.0.0.1:{port}" for port in ports_of[name]] for name in own}
        urls |= {name: [url] * servers for name, url in peers.items()}
        self.keys = folder / "keys" if closed else None
        self.servers = {
            name: [
                Service(
                    name,
                    port,
                    database=folder / f"{name}.sqlite3",
                    environment={
                        **base_environment(),
                        **_wiring(urls, number),
                        **self._known_by(name, peers),
                        **settings.get(name, {}),
                    },
                    workers=workers,
                    number=number,
                )
                for number, port in enumerate(ports_of[name])
            ]
            for name in own
        }
        self.services = {name: several[0] for name, several in self.servers.items()}
        self.workers: list[Process] = []
        self._turns = count()

    def key_file(self, holder: str, at: str) -> Path:
        """Where the secret is that one service is known by at another."""
        if self.keys is None:
            raise LookupError("this stack is open")
        return next(key.file(self.keys) for key in start.SERVICE_KEYS if (key.holder, key.at) == (holder, at))

    def make_keys(self) -> None:
        """Make those of a closed stack: of the services at each other as `make run` does, and one for the tests."""
        if self.keys is None:
            return
        self.keys.mkdir()
        own = [key for key in start.SERVICE_KEYS if key.at in self.services]
        made = [(key.at, key.name, ",".join(key.scopes), key.file(self.keys)) for key in own]
        made += [(name, "tests", ALL_SCOPES[name], self.keys / name) for name in self.services]
        for *_, file in made:  # a service that is not there yet is asked for its key by settings that name its own
            file.touch()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: self._make_key(*each), made))
        for name, several in self.servers.items():
            for server in several:
                self.know(name, server.url)

    def make_console_keys(self) -> dict[str, str]:
        """Make those of the page, as `make run` does; the variables by which it finds them."""
        if self.keys is None:
            return {}
        made = [(key.at, key.name, ",".join(key.scopes), key.file(self.keys)) for key in start.CONSOLE_KEYS]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: self._make_key(*each), made))
        return {f"{key.variable}_FILE": str(key.file(self.keys)) for key in start.CONSOLE_KEYS}

    def know(self, name: str, url: str) -> None:
        """Let `Http` show the tests' key at another address of a service, too."""
        if self.keys is not None:
            KNOWN_KEYS[url] = (self.keys / name).read_text()

    def _make_key(self, at: str, name: str, scopes: str, file: Path) -> None:
        made = self.services[at].manage("keys", "create", name, "--scope", scopes)
        if made.returncode:
            raise RuntimeError(f"no key at {at}: {made.stderr}")
        file.write_text(made.stdout.splitlines()[-1])

    def _known_by(self, name: str, peers: Mapping[str, str]) -> dict[str, str]:
        if self.keys is None:
            return {}
        own = [key for key in start.SERVICE_KEYS if key.holder == name and key.at not in peers]
        return {"API_AUTH": "on"} | {f"{key.variable}_FILE": str(key.file(self.keys)) for key in own}

    def client(self, name: str) -> Http:
        """A client of one service; with several servers it goes to each in turn, and starts with another each time."""
        urls = [server.url for server in self.servers[name]]
        first = next(self._turns) % len(urls)
        return Http(*urls[first:], *urls[:first])

    @property
    def orders(self) -> Http:
        return self.client("order_service")

    @property
    def payments(self) -> Http:
        return self.client("payment_service")

    @property
    def products(self) -> Http:
        return self.client("product_stub")

    def start(self, *, without: Sequence[str] = ()) -> "Stack":
        started = [server for name, several in self.servers.items() if name not in without for server in several]
        for service in started:
            service.start()
        for service in started:
            service.wait_until_up()
        return self

    def start_worker(self, name: str, *, idle_s: float = 0.05) -> Process:
        """Start the worker of a service, which looks for work so often; it ends with the stack."""
        service = self.services[name]
        worker = Process(
            f"{name} worker",
            [sys.executable, str(ROOT / name / "manage.py"), "worker", "--idle", str(idle_s)],
            environment=service.environment,
            log=service.database.with_name(f"{name}-worker{len(self.workers)}.log"),
        )
        worker.begin = service.begin
        self.workers.append(worker)
        worker.start()
        return worker

    def start_workers(self, *, idle_s: float = 0.05) -> None:
        """Start one of each service that has workers."""
        for name in ("order_service", "payment_service"):
            self.start_worker(name, idle_s=idle_s)

    def restart(self, name: str) -> None:
        """Start a service again on its port, after `stop` or `kill`."""
        self.services[name].start()
        self.services[name].wait_until_up()

    def stop(self) -> None:
        """Stop everything; one that has to be killed is a failure, but keeps none of the others running."""
        with ExitStack() as stopping:
            for several in self.servers.values():
                for server in several:
                    KNOWN_KEYS.pop(server.url, None)
            for port in self._reserved:
                stopping.callback(port.close)
            for process in self.processes():
                process.signal(signal.SIGCONT)
                stopping.callback(process.stop)

    def processes(self) -> list[Process]:
        return [*self.workers, *(server for several in reversed(self.servers.values()) for server in several)]

    def logs(self) -> Iterator[tuple[str, str]]:
        """The end of each process's log."""
        for process in self.processes():
            yield process.name, process.log_text(lines=SHOWN_LINES)


def _wiring(urls: Mapping[str, Sequence[str]], number: int) -> dict[str, str]:
    """Where a server finds its neighbours. Of several it asks the next one, so that no two keep to themselves."""
    of = {name: several[(number + 1) % len(several)] for name, several in urls.items()}
    return {
        "PRODUCT_SERVICE_URL": f"{of['product_stub']}/api/products/",
        "PAYMENT_SERVICE_URL": f"{of['payment_service']}/api/payments/",
        "ORDER_SERVICE_URL": f"{of['order_service']}/api/orders/",
    }


def migrate(folder: Path) -> None:
    """Make an empty, migrated database for each service: made once, then copied for every stack."""
    running = []
    for name in SERVICES:
        database = databases.at(folder / f"{name}.sqlite3")
        database.create()
        command = [sys.executable, str(ROOT / name / "manage.py"), "migrate", "--verbosity=0", "--skip-checks"]
        log = folder / f"{name}-migrate.log"
        running.append((forks.begin(command, {**base_environment(), **database.environment}, out=log, err=log), log))
    for process, log in running:
        if process.wait():
            raise RuntimeError(f"a migration failed: {log.read_text()}")


def forget(folder: Path) -> None:
    """Drop what `migrate` made."""
    for name in SERVICES:
        databases.at(folder / f"{name}.sqlite3").drop()


@contextmanager
def running_stack(
    template: Path,
    folder: Path,
    *,
    without: Sequence[str] = (),
    prepare: Callable[[Stack], Any] = lambda _: None,
    **options: Any,
) -> Iterator[Stack]:
    """A stack that runs, and ends whatever happens.

    Args:
        prepare: Gets it before anything starts.
        options: Those of `Stack`.
    """
    stack = Stack(folder, **options)
    with ExitStack() as ending:
        for name, service in stack.services.items():
            databases.at(template / f"{name}.sqlite3").copy_to(service.db)
            ending.callback(service.db.drop)
        ending.callback(stack.stop)
        stack.make_keys()
        prepare(stack)
        yield stack.start(without=without)
