"""Starts the processes of a stack from fork servers, and arms them to die at their points."""

import json
import threading
from pathlib import Path
from typing import Any

from tests.forks import Forked
from tests.rpc import RpcClient
from tests.stack import Process, Service, Stack


class ServiceForkServer:
    """A service, loaded and ready to be started any number of times."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        with service.log.open("ab") as log:
            self._rpc = RpcClient("tests.faults.fork_server", service.name, environment=service.environment, errors=log)
        self._is_ready = False
        # Ends with it whatever of its children still runs.
        self.close = self._rpc.close

    def begin(self, process: Process) -> "Forked":
        """Start a process of this service: its server or a worker, whatever its command line says."""
        about = {"name": process.name.replace(" ", "-"), "log": str(process.log), "folder": str(self._folder)}
        return Forked(self.ask, int(self.ask({"do": "start", "argv": process.command, **about})))

    def ask(self, command: dict[str, Any]) -> Any:
        with self._lock:
            if not self._is_ready:
                self._is_ready = self._rpc.receive() == "ready"
        return self._rpc.call(command)


class ForkServers:
    """One for each service of a stack; give `prepare` to `running_stack`.

    A process goes by its name with hyphens: `order_service`, `order_service-worker`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fork_servers: list[ServiceForkServer] = []

    def prepare(self, stack: Stack) -> None:
        for service in stack.services.values():
            fork_server = ServiceForkServer(service, self.folder)
            self._fork_servers.append(fork_server)
            service.begin = fork_server.begin

    def close(self) -> None:
        for fork_server in self._fork_servers:
            fork_server.close()

    def arm(self, process: str, scenario: str = "", *, do: str = "kill") -> None:
        """From now on the process dies (or stands still: "stop") at each point at which none like it has yet."""
        (self.folder / f"{process}.armed").write_text(f"{do} {scenario}")

    def disarm(self, process: str) -> None:
        (self.folder / f"{process}.armed").unlink(missing_ok=True)

    def reached(self, process: str, *, do: str = "kill") -> list[dict[str, Any]]:
        """Where it has died so far, or stood still: `kind`, `chain`, `wrote`, `repeat`, `scenario`, and its `group`."""
        file = self.folder / f"{process}.{do}"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
