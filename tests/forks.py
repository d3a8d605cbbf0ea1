"""Python processes that begin as forks of one that has loaded the libraries already (`forkserver.py`)."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

ROOT: Final = Path(__file__).resolve().parent.parent
LOOK_EVERY_S: Final = 0.005


class Server(Protocol):
    """Whoever forks, and answers for what it has forked."""

    def ask(self, command: dict[str, Any]) -> Any: ...


class Forked:
    """A process that was forked for us; asked as `subprocess.Popen` is."""

    def __init__(self, server: Server, pid: int) -> None:
        self.pid = pid
        self._server = server

    def poll(self) -> int | None:
        status: int | None = self._server.ask({"do": "poll", "pid": self.pid})
        return status

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(LOOK_EVERY_S)
        return status

    def terminate(self) -> None:
        if self.poll() is None:
            self._server.ask({"do": "terminate", "pid": self.pid})


class ForkServer:
    """Safe between threads. What it has forked ends with it."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver"],
            env={**kept, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fork server has died")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@cache
def _server(_of: int) -> ForkServer:
    server = ForkServer()
    atexit.register(server.close)
    return server


def can_begin(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a fork does the same: not where another program goes first, or another folder has what Python loads."""
    is_ours = command[0] == sys.executable and (command[1] == "-m" or command[1].endswith(".py"))
    return is_ours and environment.get("PYTHONPATH") == str(ROOT)


def begin(
    command: Sequence[str], environment: Mapping[str, str], *, out: Path, err: Path, given: Path = Path(os.devnull)
) -> Forked:
    """Start what `python` does with this command line, from the root, in a session of its own, on these files."""
    files = {"given": str(given), "out": str(out), "err": str(err)}
    about = {"argv": list(command[1:]), "environment": dict(environment), **files}
    server = _server(os.getpid())
    return Forked(server, int(server.ask({"do": "start", **about})))


def run(
    command: Sequence[str], environment: Mapping[str, str], *, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Do it, and return what it said, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory() as folder:
        asked, out, err = (Path(folder) / name for name in ("given", "out", "err"))
        asked.write_text(given)
        status = begin(command, environment, out=out, err=err, given=asked).wait()
        return subprocess.CompletedProcess(list(command), status, out.read_text(), err.read_text())
