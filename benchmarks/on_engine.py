"""One line of `benchmarks/engines.sh`: the services of the Procfile on the engine of TEST_DB_*, and how fast they are.

python -m benchmarks.on_engine WORKERS
"""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from start import processors
from tests import databases
from tests.stack import ROOT, Process, Stack, forget, migrate, wait_until

# On the engine's line of the output, so that nobody takes a server that need not sync for one that does.
_NAMES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MariaDB or MySQL"}


def main() -> int:
    workers = sys.argv[1]
    with tempfile.TemporaryDirectory() as made, ExitStack() as ending:
        folder = Path(made)
        migrate(folder)
        ending.callback(forget, folder)
        stack = Stack(folder)
        for process in _processes(stack, folder, workers):
            process.start()
            ending.callback(process.stop)
        for service in stack.services.values():
            wait_until(stack.client(service.name).is_healthy, what=f"{service.name} up")
        print(f"{_NAMES[databases.ENGINE]}, {workers} process{'es' * (workers != '1')} a service", flush=True)
        url = f"{stack.services['order_service'].url}/api/orders/"
        return subprocess.call([ROOT / "benchmarks" / "orders.sh"], env={**os.environ, "ORDERS_URL": url})


def _processes(stack: Stack, folder: Path, workers: str) -> list[Process]:
    """Every line of the Procfile, on the stack's ports and databases, and on the processors where `make run` has it."""
    found = []
    places = processors({"WORKERS": workers})
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, command = line.split(": ", 1)
        service = next(each for each in stack.services.values() if each.name in command)
        command = re.sub(r"--port \d+", f"--port {service.port}", command).replace(".metrics", str(folder / "metrics"))
        environment = {**service.environment, "WORKERS": workers}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        pinned = ["taskset", "--cpu-list", str(places[name])] if name in places else []
        log = folder / f"{name}.log"
        found.append(Process(name, [*pinned, "sh", "-c", command], environment=environment, log=log))
    return found


if __name__ == "__main__":
    sys.exit(main())
