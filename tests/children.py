"""The processes that a fork server has forked, and how each of them ended."""

import os
import signal
from typing import Any


class Children:
    """Single-threaded, as its server is: whoever asks waits for the answer to the request before."""

    def __init__(self) -> None:
        self._statuses: dict[int, int | None] = {}

    def add(self, child: int) -> None:
        self._statuses[child] = None

    def disown(self) -> None:
        """For a child itself, which has the siblings only by being a copy of its parent."""
        self._statuses.clear()

    def answer(self, command: dict[str, Any]) -> int | None:
        """Do `terminate` or `poll`; the child's exit status, minus the signal that ended it, or None while it runs."""
        if command["do"] == "terminate":  # here, where the number cannot mean another process meanwhile
            os.kill(command["pid"], signal.SIGTERM)
        return self._status(command["pid"])

    def kill(self) -> None:
        """Kill all that still run, with what they have started."""
        for child in self._statuses:
            if self._status(child) is None:
                os.killpg(child, signal.SIGKILL)

    def _status(self, child: int) -> int | None:
        if self._statuses[child] is None:
            done, status = os.waitpid(child, os.WNOHANG)
            self._statuses[child] = os.waitstatus_to_exitcode(status) if done else None
        return self._statuses[child]
