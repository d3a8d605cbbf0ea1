"""What `make run` does: see that the ports are free, migrate the three databases, start everything in the Procfile.

Ctrl-C, SIGTERM and a closed terminal end it all, and that counts as success; anything that stops by itself does not.
While it runs, `python start.py stop payment` stops one part, `kill` does so without a warning, and `start` brings it
back; the others go on.
"""

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from honcho.environ import parse_procfile

ROOT: Final = Path(__file__).resolve().parent
BIN: Final = Path(sys.executable).parent
PORTS: Final = {"order_service": 8000, "product_stub": 8001, "payment_service": 8002}
# Of the page, which has no database.
CONSOLE_PORT: Final = 8003
# Where the processes of a service count together (see Procfile). Empty at the start, as all counters are.
METRICS: Final = ROOT / ".metrics"
# A service is one interpreter, so it can fill one processor. The order service has as much to do as the two others.
LOADS: Final = {"order": 2, "payment": 1, "product": 1}
# How often to look whether all three answer, before saying so.
LOOK_EVERY_S: Final = 0.2
# Where it is asked to stop a part: a file with the part's name and the signal in it, for as long as it is to be down.
CONTROL: Final = ROOT / ".run"
# With API_AUTH=on: the keys of the services at each other, one secret a file, for as long as this runs.
KEYS: Final = ROOT / ".keys"
# What stands in it when the part has ended.
_DOWN: Final = "down"
SIGNALS: Final = {"stop": signal.SIGTERM, "kill": signal.SIGKILL}
# How long the parts have to end, before they are killed.
ENDS_WITHIN_S: Final = 10.0
# Linux: the signal that a process gets when the one that started it has ended (PR_SET_PDEATHSIG).
_SIGNAL_AT_PARENTS_END: Final = 1


@dataclass(frozen=True)
class ServiceKey:
    """What a service is known by at another: the variable that it finds its secret by, and what it may do there."""

    holder: str
    at: str
    variable: str
    scopes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.holder.replace("_", "-")

    def file(self, folder: Path) -> Path:
        return folder / f"{self.holder}-at-{self.at}"


SERVICE_KEYS: Final = (
    ServiceKey("order_service", "product_stub", "PRODUCT_SERVICE_KEY", ("products:read", "reservations")),
    ServiceKey(
        "order_service",
        "payment_service",
        "PAYMENT_SERVICE_KEY",
        ("payments:read", "payments:charge", "payments:refund"),
    ),
    ServiceKey("payment_service", "order_service", "ORDER_SERVICE_KEY", ("orders:read", "orders:write")),
    ServiceKey("product_stub", "order_service", "ORDER_SERVICE_KEY", ("orders:read",)),
)
# What the page is known by at each service: all that it offers.
CONSOLE_KEYS: Final = (
    ServiceKey(
        "console",
        "order_service",
        "ORDER_SERVICE_KEY",
        ("orders:read", "orders:write", "orders:cancel", "audit:read", "events:replay", "webhooks"),
    ),
    ServiceKey(
        "console",
        "payment_service",
        "PAYMENT_SERVICE_KEY",
        (
            "payments:read",
            "payments:charge",
            "payments:capture",
            "payments:refund",
            "audit:read",
            "events:replay",
            "webhooks",
        ),
    ),
    ServiceKey("console", "product_stub", "PRODUCT_SERVICE_KEY", ("products:read", "reservations", "audit:read")),
)
# The service that a part of the Procfile belongs to.
PARTS: Final = {
    "console": "console",
    "order": "order_service",
    "order-worker": "order_service",
    "payment": "payment_service",
    "payment-worker": "payment_service",
    "product": "product_stub",
    "product-worker": "product_stub",
}


def main() -> int:
    all_ports = {**PORTS, "console": CONSOLE_PORT}
    taken = [f"port {port} (for {service})" for service, port in all_ports.items() if _is_taken(port)]
    if taken:
        print(f"Something else listens on {' and '.join(taken)}. Stop it, then start again.", file=sys.stderr)
        return 1
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    shutil.rmtree(METRICS, ignore_errors=True)
    try:
        return _migrate(environment) or _load_sample(environment) or _make_keys(environment) or _start(environment)
    except KeyboardInterrupt:  # before there was anything to stop
        return 0
    finally:
        shutil.rmtree(KEYS, ignore_errors=True)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do, so that a port whose last connections are only fading out counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _migrate(environment: dict[str, str]) -> int:
    """Bring the three databases up to date, side by side; return the first exit status that is not 0."""
    print("Migrating the databases", flush=True)
    commands = [[sys.executable, str(ROOT / service / "manage.py"), "prepare"] for service in PORTS]
    running = [subprocess.Popen(command, env=environment, cwd=ROOT) for command in commands]
    return next((status for status in [each.wait() for each in running] if status), 0)


def _load_sample(environment: dict[str, str]) -> int:
    """Give an empty payment ledger something to look at."""
    manage, sample = ROOT / "payment_service" / "manage.py", ROOT / "payment_service" / "sample_payments.csv"
    command = [sys.executable, str(manage), "import_payments", str(sample), "--if-empty"]
    return subprocess.call(command, env=environment, cwd=ROOT)


def is_closed(environment: Mapping[str, str]) -> bool:
    """Whether it was asked for that every request needs a key."""
    return environment.get("API_AUTH", "").strip().lower() == "on"


def _make_keys(environment: dict[str, str]) -> int:
    if not is_closed(environment):
        print(
            "Everything is open, on this machine only: no request needs a key (API_AUTH=on asks for them)", flush=True
        )
        return 0
    print("Making the keys that the services have at each other", flush=True)
    shutil.rmtree(KEYS, ignore_errors=True)
    return make_keys(KEYS, dict.fromkeys(PORTS, environment), keys=(*SERVICE_KEYS, *CONSOLE_KEYS))


def make_keys(
    folder: Path, environments: Mapping[str, Mapping[str, str]], *, keys: Sequence[ServiceKey] = SERVICE_KEYS
) -> int:
    """Make the keys of the services at each other, their secrets in files; those of the last start end here.

    Args:
        environments: Of each service that is asked.

    Returns: the first exit status that is not 0.
    """
    folder.mkdir(mode=0o700)
    running = [(key, _make_key(key, environments[key.at])) for key in keys]
    made = [(key, process.communicate()[0], process.returncode) for key, process in running]
    for key, printed, status in made:
        if status:
            return status
        opened = os.open(key.file(folder), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w") as file:
            file.write(printed.splitlines()[-1])
    return 0


def _make_key(key: ServiceKey, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    manage, scopes = str(ROOT / key.at / "manage.py"), ",".join(key.scopes)
    command = [sys.executable, manage, "keys", "create", key.name, "--scope", scopes, "--instead"]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def keys_of(part: str) -> dict[str, str]:
    """What a part finds its keys by."""
    keys = [key for key in (*SERVICE_KEYS, *CONSOLE_KEYS) if key.holder == PARTS.get(part)]
    return {f"{key.variable}_FILE": str(key.file(KEYS)) for key in keys}


def _start(environment: dict[str, str]) -> int:
    commands = parse_procfile((ROOT / "Procfile").read_text()).processes
    closed = is_closed(environment)
    return Supervisor(
        commands,
        environment,
        control=CONTROL,
        places=processors(environment),
        announce=partial(_announce, is_closed=closed),
        own={part: keys_of(part) for part in commands} if closed else {},
    ).run()


class Supervisor:
    """Keeps the parts running until it is told to stop, or one of them stops by itself."""

    def __init__(
        self,
        commands: Mapping[str, str],
        environment: Mapping[str, str],
        *,
        control: Path,
        places: Mapping[str, int],
        announce: Callable[[], bool],
        own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """`announce` is asked again and again until it has said what it has to; `own` is what single parts are told."""
        self._commands = commands
        self._environment = dict(environment)
        self._control = control
        self._places = places
        self._announce = announce
        self._own = own
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._is_stopping = threading.Event()

    def run(self) -> int:
        """0 when it was told to stop; else the exit status of the part that stopped, or 1."""
        shutil.rmtree(self._control, ignore_errors=True)
        self._control.mkdir()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._is_stopping.set())
        is_announced = False
        try:
            while not self._is_stopping.wait(LOOK_EVERY_S):
                for name in self._commands:
                    status = self._look_after(name)
                    if status is not None:
                        print(
                            f"{name} has stopped by itself, so all are; its last lines above say why.", file=sys.stderr
                        )
                        return status or 1
                is_announced = is_announced or self._announce()
            return 0
        finally:
            self._end_all()
            shutil.rmtree(self._control, ignore_errors=True)

    def _look_after(self, name: str) -> int | None:
        """Start a part or stop it, as is asked; its exit status when it has ended unasked."""
        asked = self._control / name
        part = self._running.get(name)
        is_to_be_down = asked.exists()
        if part is None:
            if not is_to_be_down:
                self._begin(name)
            return None
        status = part.poll()
        if is_to_be_down:
            if status is None:
                _signal(part, signal.Signals(int(asked.read_text())))
                part.wait()
            del self._running[name]
            asked.write_text(_DOWN)
            print(f"{name} is stopped", flush=True)
            return None
        return status

    def _begin(self, name: str) -> None:
        self._running[name] = part = subprocess.Popen(
            self._commands[name],
            shell=True,
            cwd=ROOT,
            env={**self._environment, **self._own.get(name, {})},
            start_new_session=True,
            preexec_fn=partial(_settle, self._places.get(name), os.getpid()),  # noqa: PLW1509 - there are no threads
        )
        print(f"{name} is started ({part.pid})", flush=True)

    def _end_all(self) -> None:
        for part in self._running.values():
            _signal(part, signal.SIGTERM)
        deadline = time.monotonic() + ENDS_WITHIN_S
        for part in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.wait(max(0.0, deadline - time.monotonic()))
        for part in self._running.values():
            _signal(part, signal.SIGKILL)


def _signal(part: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """To it and all that it has started, whether or not it is there itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(part.pid, number)


def _settle(processor: int | None, parent: int) -> None:
    """What a part does before it becomes what it is."""
    if sys.platform == "linux":  # it ends with whoever started it, even if that gets no chance to say so
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_END, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    if processor is not None:
        os.sched_setaffinity(0, {processor})
        # Whoever is asked waits until whoever asks has nothing left to do, instead of taking the processor at once.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def ask(what: str, part: str) -> int:
    """Have the `make run` that is running stop, kill or start a part."""
    parts = list(parse_procfile((ROOT / "Procfile").read_text()).processes)
    if part not in parts:
        print(f"There is no part {part!r}; there are {', '.join(parts)}.", file=sys.stderr)
        return 2
    if not CONTROL.is_dir():
        print("Nothing runs here: `make run` first, in another terminal.", file=sys.stderr)
        return 1
    if what == "start":
        (CONTROL / part).unlink(missing_ok=True)
    else:
        written = CONTROL / f".{part}"
        written.write_text(str(int(SIGNALS[what])))
        written.replace(CONTROL / part)
        while CONTROL.is_dir() and (CONTROL / part).read_text() != _DOWN:
            time.sleep(LOOK_EVERY_S)
    return 0


def processors(environment: Mapping[str, str]) -> dict[str, int]:
    """The processor that each service keeps to, so that it finds its code and data in the caches (docs/adr/0018).

    Empty where the system does not let us choose, and for services of several processes: those are left to spread.
    """
    if not hasattr(os, "sched_setaffinity") or environment.get("WORKERS", "1") != "1":
        return {}
    loads = dict.fromkeys(sorted(os.sched_getaffinity(0)), 0)
    chosen = {}
    for name, load in LOADS.items():
        chosen[name] = min(loads, key=loads.__getitem__)
        loads[chosen[name]] += load
    return chosen


def _announce(*, is_closed: bool) -> bool:
    """Say where everything is, once it is there."""
    if not all(map(_is_healthy, (*PORTS.values(), CONSOLE_PORT))):
        return False
    print("\nReady. Ctrl-C stops everything.", flush=True)
    for service, port in PORTS.items():
        print(f"  {service:16} http://localhost:{port}/docs", flush=True)
    print(f"  {'the page':16} http://localhost:{CONSOLE_PORT}/ (shop and control room)", flush=True)
    if is_closed:
        print(_YOUR_KEY.format(python=os.path.relpath(sys.executable)), flush=True)
    return True


_YOUR_KEY: Final = """
Every request needs a key. This makes one for you, in another terminal, and shows it once:
  {python} order_service/manage.py keys create me --scope orders:read,orders:write,orders:cancel
  curl -H "Authorization: Bearer $KEY" http://localhost:8000/api/orders/
The other services have keys of their own: product_stub/manage.py, payment_service/manage.py."""


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=0.5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _asked(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Start all parts, or have one that runs stopped and started.")
    parser.add_argument("what", nargs="?", choices=["stop", "kill", "start"])
    parser.add_argument("part", nargs="?", help="its name in the Procfile")
    given = parser.parse_args(arguments)
    if given.what is None:
        return main()
    if given.part is None:
        parser.error("which part?")
    return ask(given.what, given.part)


if __name__ == "__main__":
    sys.exit(_asked(sys.argv[1:]))
