"""Calls to a process of ours, and its answers: a line of JSON each."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent


class RpcClient:
    """Calls a module of ours that runs in a process of its own, until we end. Safe between threads.

    Args:
        errors: Where its standard error goes; by default to where ours does.
    """

    def __init__(
        self, module: str, *arguments: str, environment: Mapping[str, str], errors: IO[bytes] | None = None
    ) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def call(self, request: dict[str, Any]) -> Any:
        with self._lock:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            return self.receive()

    def receive(self) -> Any:
        """What it says without being asked."""
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"{self._module} has died")
        return json.loads(line)

    def close(self) -> None:
        """Call no more, which ends it."""
        self._requests.close()
        self._process.wait()
        self._answers.close()
