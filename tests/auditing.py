"""The audit on the databases of a stack, and what it said."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.stack import ROOT, Stack


class Audited:
    """What an audit said: every (invariant, subject) that is `broken`, those between the services in `across`;
    `results` is how each part ended.
    """

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status = done.returncode
        self.err = done.stderr
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        violations = [line for line in self.lines if line["kind"] == "violation"]
        self.broken = {(line["name"], line["subject"]) for line in violations}
        self.across = {(line["name"], line["subject"]) for line in violations if line["service"] == "across"}
        self.results = {line["service"]: line["outcome"] for line in self.lines if line["kind"] == "result"}


# Has a command of a service run by the tests, where a process begins with the libraries loaded.
RUNNER: Final = """#!{python} -S
import json, socket, sys
given = sys.stdin.read() if "--only" in sys.argv else ""
stream = socket.create_connection({address!r}).makefile("rw")
stream.write(json.dumps([given, *sys.argv[1:]]) + "\\n")
stream.flush()
done = json.loads(stream.readline())
sys.stdout.write(done["out"])
sys.stderr.write(done["err"])
sys.exit(done["status"])
"""


@contextmanager
def runner(stack: Stack, folder: Path) -> Iterator[Path]:
    """A program that runs `manage.py` of a service on the stack's databases: its name, then what to do."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            given, name, *arguments = json.loads(self.rfile.readline())
            done = stack.services[name].manage(*arguments, given=given)
            answer = {"out": done.stdout, "err": done.stderr, "status": done.returncode}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        program = folder / "manage"
        program.write_text(RUNNER.format(python=sys.executable, address=server.server_address))
        program.chmod(0o755)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield program
        finally:
            server.shutdown()
            thread.join()


def audit(stack: Stack, folder: Path, *options: str) -> Audited:
    """Run it on the stack's databases, which each service's own environment names."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with runner(stack, folder) as program:
        command = [sys.executable, "-m", "audit", "--json", "--pause", "0.2", "--run", f"{program} {{service}}"]
        done = subprocess.run([*command, *options], cwd=ROOT, env=kept, capture_output=True, text=True, check=False)
    return Audited(done)
