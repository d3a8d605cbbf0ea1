"""How a service is served, wherever it is started: `python -m servicekit.server order_service --port 8000`.

The one place for the server's settings: `make run`, the images, the tests and the benchmarks all come through here. The
server is granian, whose part is the network and HTTP; `bridge.py` takes what it has read to the application
(docs/adr/0019). HTTP/1 only: no client of ours speaks HTTP/2 to a service, and what an attacker can do with it to a
server on whose threads the work is done is not worth having.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

from environs import Env, validate
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from servicekit import env as environment

ROOT: Final = Path(__file__).resolve().parent.parent
# A connection that sends no request for so long is closed, also between two requests. Our own clients keep none for as
# long (`transport.py`).
HEAD_TIMEOUT_S: Final = 5
# Of the head of a request, and what is read of a connection at once: 16 times the longest URL.
BUFFER_BYTES: Final = 131_072
# What is sent and not taken for so long is given up with its connection: who reads nothing holds nothing.
SEND_TIMEOUT_S: Final = 30
# Connections that wait to be accepted; the system has a limit of its own, 4,096 on Linux.
BACKLOG: Final = 4_096
# Longer than an order may take (ORDER_DEADLINE_S).
_STOP_TIMEOUT_S: Final = 25


@dataclass(frozen=True)
class Settings:
    """What can be set from outside; `.env.example` says what each is."""

    service: str
    host: str
    port: int
    health_port: int
    workers: int
    threads: int
    connections: int
    body_timeout_s: float
    log_level: str
    prefix: str


def read(service: str, env: Env, *, port: int | None = None) -> Settings:
    """The settings that the environment has; `port` is what the command line says."""
    some = validate.Range(1)
    return Settings(
        service=service,
        host=env.str("SERVER_HOST", default="127.0.0.1"),
        port=port or env.int("SERVER_PORT", default=8000),
        health_port=env.int("HEALTH_PORT", default=0),
        workers=env.int("SERVER_WORKERS", default=1, validate=some),
        threads=env.int("SERVER_THREADS", default=128, validate=some),
        connections=env.int("SERVER_CONNECTIONS", default=8_192, validate=some),
        body_timeout_s=env.float("BODY_TIMEOUT_S", default=10.0, validate=validate.Range(0.1)),
        log_level=env.str("SERVER_LOG_LEVEL", default="warning"),
        prefix=env.str("SCRIPT_NAME", default=""),
    )


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Exits with another status than 0 when a worker has ended by itself."""
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
        workers_kill_timeout=_STOP_TIMEOUT_S,
    )
    server.serve(spawn_target=partial(_work, settings))


def _work(settings: Settings, worker_id: int, *_: object) -> None:
    """What a worker process does. All of Django is loaded in it alone, so that the process above stays small."""
    application = import_module(f"{settings.service}.wsgi").application
    import_module("servicekit.listening").work(settings, application, worker_id)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m servicekit.server", description="Serve one of the services.")
    parser.add_argument("service", help="the name of its folder")
    parser.add_argument("--port", type=int, help="instead of SERVER_PORT")
    arguments = parser.parse_args()
    serve(read(arguments.service, environment.read(ROOT / arguments.service), port=arguments.port))


if __name__ == "__main__":
    main()
