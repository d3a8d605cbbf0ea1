"""A database server of a test's own, on PostgreSQL or MariaDB, that may be stopped the hard way."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests import databases
from tests.stack import ROOT

_SCRIPT: Final = str(ROOT / "scripts" / "databases")


class Server:
    """Syncs to the disk as a real one does; what it is told by COMMIT it must know after a crash."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"--folder={folder}"

    def start(self) -> dict[str, str]:
        """Start it, on the port that it had before; the variables that lead to it."""
        printed = self._do("start", "--durable")
        assignments = [shlex.split(line)[1] for line in printed.splitlines()]
        return dict(assignment.split("=", 1) for assignment in assignments)

    def crash(self) -> None:
        """As by a power cut of its machine: every process of it is gone at once, and nothing is written first."""
        self._do("stop", "--crash", "--keep")

    def destroy(self) -> None:
        self._do("stop", "--crash")

    def _do(self, what: str, *options: str) -> str:
        command = [_SCRIPT, what, databases.ENGINE, self._folder, *options]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def own_server() -> Iterator[tuple[Server, dict[str, str]]]:
    """A server, and the variables that lead the stack of a test to it."""
    # Not in pytest's own folder, where the account that the server runs as may not look.
    folder = Path(tempfile.mkdtemp(prefix="throw-away-own-"))
    server = Server(folder)
    try:
        variables = server.start()
        yield server, {name: value for name, value in variables.items() if name in os.environ}
    finally:
        server.destroy()
        shutil.rmtree(folder, ignore_errors=True)
