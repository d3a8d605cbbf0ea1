"""What the server is told by the environment, and what nobody needs to tell it."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from environs import Env, EnvError, validate

# A connection that sends no request for so long is closed, also between two requests. Our own clients keep none for as
# long (`transport.py`).
HEAD_TIMEOUT_S: Final = 5
# Of the head of a request, and what is read of a connection at once: 16 times the longest URL.
BUFFER_BYTES: Final = 131_072
# What is sent and not taken for so long is given up with its connection: who reads nothing holds nothing.
SEND_TIMEOUT_S: Final = 30
PORTS: Final = range(1, 65_536)
LOG_LEVELS: Final = ("critical", "error", "warning", "warn", "info", "debug", "notset")
# Connections that wait to be accepted; the system has a limit of its own, 4,096 on Linux.
BACKLOG: Final = 4_096


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
    drain_s: float


def read(service: str, env: Env, *, port: int | None = None) -> Settings:
    """The settings that the environment has; `port` is what the command line says."""
    some, levels = validate.Range(1), validate.OneOf(LOG_LEVELS)
    return Settings(
        service=service,
        host=_host(env),
        port=port or env.int("SERVER_PORT", default=8000, validate=validate.Range(PORTS[0], PORTS[-1])),
        health_port=env.int("HEALTH_PORT", default=0, validate=validate.Range(0, PORTS[-1])),
        workers=env.int("SERVER_WORKERS", default=1, validate=some),
        threads=env.int("SERVER_THREADS", default=128, validate=some),
        connections=env.int("SERVER_CONNECTIONS", default=8_192, validate=some),
        body_timeout_s=env.float("BODY_TIMEOUT_S", default=10.0, validate=validate.Range(0.1)),
        log_level=env.str("SERVER_LOG_LEVEL", default="warning", validate=levels),
        prefix=env.str("SCRIPT_NAME", default=""),
        drain_s=env.float("DRAIN_S", default=0.0, validate=validate.Range(0)),
    )


def _host(env: Env) -> str:
    host: str = env.str("SERVER_HOST", default="127.0.0.1")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise EnvError(f'Environment variable "SERVER_HOST" must be an IP address, not {host!r}') from None
    return host
