"""How a service is served, wherever it is started: `python -m servicekit.server order_service --port 8000`.

The one place for the server's settings: `make run`, the images, the tests and the benchmarks all come through here. The
server is granian, whose part is the network and HTTP; `runtime/bridge.py` takes what it has read to the application
(docs/adr/0019). HTTP/1 only: no client of ours speaks HTTP/2 to a service, and what an attacker can do with it to a
server on whose threads the work is done is not worth having.
"""

import argparse
import math
import signal
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from environs import EnvError
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from servicekit.runtime import sockets
from servicekit.runtime.server_settings import BACKLOG, PORTS, Settings, read
from servicekit.settings import env as environment

ROOT: Final = Path(__file__).resolve().parent.parent
# Longer than an order may take (ORDER_DEADLINE_S).
_STOP_TIMEOUT_S: Final = 25
# As granian counts.
_FIRST_WORKER: Final = 1
_NO_KEYS: Final = (
    "{service} takes keys only (API_AUTH), and has none: python {service}/manage.py keys create NAME --scope ...\n"
    "Or say API_AUTH=off: then whoever reaches it may do everything."
)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Exits with another status than 0 when a worker has ended by itself."""
    for variable, port in (("SERVER_PORT", settings.port), ("HEALTH_PORT", settings.health_port)):
        if port:
            _try_out(settings.host, port, variable)
    server = Granian(
        f"{settings.service}.wsgi:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        blocking_threads=1,  # its own, which do not come into it
        backlog=BACKLOG,
        log_level=LogLevels(settings.log_level),
        workers_kill_timeout=math.ceil(settings.drain_s) + _STOP_TIMEOUT_S,
    )
    server.serve(spawn_target=partial(_work, settings))


def _work(settings: Settings, worker_id: int, *_: object) -> None:
    """What a worker process does. All of Django is loaded in it alone, so that the process above stays small."""
    # Until it serves, ending is all that a signal can ask for: those of the process above wait for it in vain.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        application = import_module(f"{settings.service}.wsgi").application
    except EnvError as problem:
        sys.exit(str(problem))
    if import_module("django.apps").apps.is_installed("servicekit.apikeys"):
        keys = import_module("servicekit.apikeys.checks")
        if keys.lacks_keys():
            sys.exit(_NO_KEYS.format(service=settings.service))
        if worker_id == _FIRST_WORKER:
            keys.warn_if_open(settings.host)
    import_module("servicekit.runtime.listening").work(settings, application, worker_id)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m servicekit.server", description="Serve one of the services.")
    parser.add_argument("service", type=_service, help="the name of its folder")
    parser.add_argument("--port", type=_port, help="instead of SERVER_PORT")
    arguments = parser.parse_args()
    try:
        settings = read(arguments.service, environment.read(ROOT / arguments.service), port=arguments.port)
    except EnvError as problem:
        sys.exit(str(problem))
    serve(settings)


def _service(name: str) -> str:
    try:
        find_spec(f"{name}.wsgi")
    except (ImportError, ValueError):
        raise argparse.ArgumentTypeError(f"there is no service {name!r}") from None
    return name


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in PORTS:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {PORTS[-1]}, not {text!r}")
    return int(text)


def _try_out(host: str, port: int, variable: str) -> None:
    """The server below would say why it cannot listen there with a page of what it was doing.

    It would not say that another server of ours listens there: the two would share out each other's requests.
    """
    try:
        sockets.try_out((host, port))
    except OSError as problem:
        sys.exit(f"Nobody can listen at {host}, port {port} ({variable}): {problem.strerror}")


if __name__ == "__main__":
    main()
