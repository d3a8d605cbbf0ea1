"""A service that is loaded once, and started from there as often as a test kills it.

`python -m tests.faults.fork_server <service>` loads the service, then forks what it is told to on its standard input:
the same server and the same worker, with the same command line, as processes of their own. A start takes hundredths
of a second instead of most of one, which is what lets a test kill a process at each of its crash points.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from tests.children import Children
from tests.faults.crash_points import CrashPoints

POINTS: Final = CrashPoints()
# Module and constant -> the variable that sets it: waits of production that a test has no time for.
SHORTER: Final = {
    ("servicekit.idempotency.keys", "LOCK_S"): "FAULTS_KEY_LOCK_S",
    ("servicekit.webhooks.deliverer", "LEASE_S"): "FAULTS_WEBHOOK_LEASE_S",
}


def main() -> None:
    """Answer each line of standard input, a command as JSON, with one line. The end of the input ends all."""
    with redirect_stdout(sys.stderr):  # for good, where a logger has taken it: our own output is the answers
        _load(sys.argv[1])
    children = Children()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(json.dumps("ready"), flush=True)
    try:
        for line in sys.stdin:
            print(json.dumps(_do(json.loads(line), children)), flush=True)
    finally:
        children.kill()


def _do(command: dict[str, Any], children: Children) -> int | None:
    if command["do"] == "start":
        child = _fork(command)
        children.add(child)
        return child
    return children.answer(command)


def _load(service: str) -> None:
    importlib.import_module(f"{service}.wsgi")
    importlib.import_module("servicekit.runtime.listening")
    app = importlib.import_module("django.core.management").get_commands().get("worker")
    if app is not None:  # it imports what the server does not
        importlib.import_module(f"{app}.management.commands.worker")
    for (module, name), variable in SHORTER.items():
        if variable in os.environ and module in sys.modules:  # not every service has each
            setattr(sys.modules[module], name, float(os.environ[variable]))
    importlib.import_module("tests.faults.instrumentation").install(POINTS)
    importlib.import_module("django.db").connections.close_all()


def _fork(command: dict[str, Any]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _become(command)
        status = _run(command["argv"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(command: dict[str, Any]) -> None:
    """A session of its own, its output in its log, its points in the folder."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, theirs)
    POINTS.become(command["name"], Path(command["folder"]))


def _run(argv: list[str]) -> int:
    """What `python` would do with this command line."""
    try:
        if argv[1:3] == ["-m", "servicekit.server"]:
            # The server's own worker process must be a fork of this one, to have what is loaded here.
            importlib.import_module("multiprocessing").set_start_method("fork", force=True)
            sys.argv = argv[2:]
            importlib.import_module("servicekit.server").main()
        else:
            sys.argv = argv[1:]
            importlib.import_module("django.core.management").execute_from_command_line(sys.argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    main()
