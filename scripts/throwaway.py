"""Database servers in temporary folders, for `scripts/databases`. Only the standard library."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
USER = "tests"
STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05


class Problem(Exception):
    """What the user is told, without a traceback."""


class Server:
    """A server and its folder: files of its own in `data`, its log, and `server.json` with where it listens."""

    engine: str
    django_engine: str
    account: str  # what it runs as when root starts it
    crash_signal: signal.Signals

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._facts = folder / "server.json"
        self.facts: dict[str, Any] = json.loads(self._facts.read_text()) if self._facts.exists() else {}

    def start(self, *, durable: bool) -> None:
        """Start it; make it first where it is not there yet. One that runs already is left alone."""
        if self.is_running:
            return
        if not self.facts:
            self._make(durable=durable)
        self._launch()
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise Problem(f"{self.engine} does not answer, its log says:\n{self._end_of_log()}")
            time.sleep(LOOK_EVERY_S)

    def stop(self, *, crash: bool, keep: bool) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, self.crash_signal if crash else signal.SIGINT if self.engine == "postgres" else signal.SIGTERM)
            _wait_for_the_end(pid)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Of the running server."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def variables(self) -> dict[str, str]:
        address = {name: str(self.facts[name.lower()]) for name in ("HOST", "PORT", "USER", "PASSWORD")}
        return {
            "DB_ENGINE": self.django_engine,
            **{f"DB_{name}": value for name, value in address.items()},
            "TEST_DB_ENGINE": self.engine,
            **{f"TEST_DB_{name}": value for name, value in address.items()},
            "TEST_DB_FOLDER": str(self.folder),
        }

    def _make(self, *, durable: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            owner = self._account()
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.folder.chmod(0o700)
        facts = {"host": HOST, "port": _free_port(), "user": USER, "password": secrets.token_hex(12)}
        self._create(facts, durable=durable)
        self.facts = facts
        self._facts.write_text(json.dumps(facts))

    def _create(self, facts: Mapping[str, Any], *, durable: bool) -> None:
        """Make the data and everything the server must know."""
        raise NotImplementedError

    def _launch(self) -> None:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _account(self) -> pwd.struct_passwd:
        try:
            return pwd.getpwnam(self.account)
        except KeyError as problem:
            raise Problem(f"There is no account {self.account}; {self.engine} refuses to run as root.") from problem

    def as_its_account(self) -> dict[str, Any]:
        """For subprocess: who a program of the server runs as, and where."""
        common: dict[str, Any] = {"cwd": self.folder, "stdin": subprocess.DEVNULL}
        if os.geteuid() != 0:
            return common
        owner = self._account()
        environment = {**os.environ, "HOME": str(self.folder), "USER": self.account}
        return {**common, "user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "env": environment}

    def call(self, *command: str | Path) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self.as_its_account(),
        )
        if done.returncode:
            raise Problem(f"{command[0]} failed:\n{done.stdout}\n{self._end_of_log()}")

    def write(self, path: Path, text: str) -> Path:
        """A file that the server's account may read."""
        path.write_text(text)
        if os.geteuid() == 0:
            owner = self._account()
            os.chown(path, owner.pw_uid, owner.pw_gid)
        path.chmod(0o600)
        return path

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else ""


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _wait_for_the_end(pid: int) -> None:
    deadline = time.monotonic() + STOPS_WITHIN_S
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        while time.monotonic() < deadline:
            # A child of this very process stays in the table until somebody asks for its status.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
            time.sleep(LOOK_EVERY_S)
        os.kill(pid, signal.SIGKILL)
