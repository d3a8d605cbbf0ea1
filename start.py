"""What `make run` does: see that the ports are free, migrate the three databases, start everything in the Procfile.

Ctrl-C, SIGTERM and a closed terminal end it all, and that counts as success; anything that stops by itself does not.
"""

import io
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.process import Popen

ROOT: Final = Path(__file__).resolve().parent
BIN: Final = Path(sys.executable).parent
PORTS: Final = {"order_service": 8000, "product_stub": 8001, "payment_service": 8002}
# Where the processes of a service count together (see Procfile). Empty at the start, as all counters are.
METRICS: Final = ROOT / ".metrics"
# A service is one interpreter, so it can fill one processor. The order service has as much to do as the two others.
LOADS: Final = {"order": 2, "payment": 1, "product": 1}
# How often to look whether all three answer, before saying so.
LOOK_EVERY_S: Final = 0.2
# What honcho's manager returns after Ctrl-C and after SIGTERM.
_ASKED_TO_STOP: Final = (130, 143)


def main() -> int:
    taken = [f"port {port} (for {service})" for service, port in PORTS.items() if _is_taken(port)]
    if taken:
        print(f"Something else listens on {' and '.join(taken)}. Stop it, then start again.", file=sys.stderr)
        return 1
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    shutil.rmtree(METRICS, ignore_errors=True)
    try:
        return _migrate(environment) or _load_sample(environment) or _start(environment)
    except KeyboardInterrupt:  # before there was anything to stop
        return 0


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
    commands = [[sys.executable, str(ROOT / service / "manage.py"), "migrate", "--verbosity=0"] for service in PORTS]
    running = [subprocess.Popen(command, env=environment, cwd=ROOT) for command in commands]
    return next((status for status in [each.wait() for each in running] if status), 0)


def _load_sample(environment: dict[str, str]) -> int:
    """Give an empty payment ledger something to look at."""
    manage, sample = ROOT / "payment_service" / "manage.py", ROOT / "payment_service" / "sample_payments.csv"
    command = [sys.executable, str(manage), "import_payments", str(sample), "--if-empty"]
    return subprocess.call(command, env=environment, cwd=ROOT)


def _start(environment: dict[str, str]) -> int:
    manager = Manager()
    places = processors(environment)
    for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        process = manager.add_process(name, command, env=environment, cwd=str(ROOT))
        process._child_ctor = partial(_part, processor=places.get(name))
    multiprocessing.Process(target=_announce, daemon=True).start()
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    manager.loop()
    if manager.returncode in _ASKED_TO_STOP:
        return 0
    print("A part has stopped by itself, so all were stopped; its last lines above say why.", file=sys.stderr)
    return manager.returncode or 1


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


def _part(command: str, *, processor: int | None, **options: Any) -> Popen:
    """A process that writes its lines straight to where ours go; each is a whole JSON object that names its service.

    Carried through honcho, line by line and from process to process, they cost a fifth of all that a machine with two
    cores can do.
    """
    if processor is not None:  # of the process that honcho has forked for this part, and with it of the part
        os.sched_setaffinity(0, {processor})
        # Whoever is asked waits until whoever asks has nothing left to do, instead of taking the processor at once.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    part = Popen(command, stdout=None, stderr=None, **options)
    part.stdout = io.BytesIO()  # nothing for honcho to carry
    return part


def _announce() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    waiting = dict(PORTS)
    while waiting:
        waiting = {service: port for service, port in waiting.items() if not _is_healthy(port)}
        time.sleep(LOOK_EVERY_S)
    print("\nReady. Ctrl-C stops everything.", flush=True)
    for service, port in PORTS.items():
        print(f"  {service:16} http://localhost:{port}/docs", flush=True)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
