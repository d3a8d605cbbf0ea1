"""Python processes that begin as forks of one that has loaded the libraries already (`forkserver.py`)."""

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.rpc import ROOT, RpcClient

LOOK_EVERY_S: Final = 0.005


class Forked:
    """A process that was forked for us; asked as `subprocess.Popen` is.

    Args:
        ask: Asks whoever has forked it, and answers for it.
    """

    def __init__(self, ask: Callable[[dict[str, Any]], Any], pid: int) -> None:
        self.pid = pid
        self._ask = ask

    def poll(self) -> int | None:
        status: int | None = self._ask({"do": "poll", "pid": self.pid})
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
            self._ask({"do": "terminate", "pid": self.pid})


@cache
def _server(_of: int) -> RpcClient:
    """One for each process that starts others. What it has forked ends with it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    server = RpcClient("tests.forkserver", environment={**kept, "PYTHONUNBUFFERED": "1"})
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
    return Forked(server.call, int(server.call({"do": "start", **about})))


def run(
    command: Sequence[str], environment: Mapping[str, str], *, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Do it, and return what it said, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory() as folder:
        asked, out, err = (Path(folder) / name for name in ("given", "out", "err"))
        asked.write_text(given)
        status = begin(command, environment, out=out, err=err, given=asked).wait()
        return subprocess.CompletedProcess(list(command), status, out.read_text(), err.read_text())
