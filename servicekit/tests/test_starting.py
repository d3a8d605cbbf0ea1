"""A server that cannot start says why in a sentence, and ends with another status than 0."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from django.core.management import CommandError

from servicekit.runtime import sockets
from servicekit.tests.ports import free_port
from servicekit.web import process_metrics

ROOT: Final = Path(__file__).resolve().parents[2]


def start(*arguments: str, settings: Mapping[str, str] | None = None) -> str:
    """What a server says that ends by itself, at once."""
    done = subprocess.run(
        [sys.executable, "-m", "servicekit.server", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV_FILE": "", **(settings or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode not in (0, -9)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "backtrace" not in said
    return said


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SERVER_PORT": "web"}, '"SERVER_PORT"'),
        ({"SERVER_PORT": "65536"}, '"SERVER_PORT"'),
        ({"HEALTH_PORT": "99999"}, '"HEALTH_PORT"'),
        ({"SERVER_HOST": "localhost"}, "\"SERVER_HOST\" must be an IP address, not 'localhost'"),
        ({"SERVER_WORKERS": "0"}, '"SERVER_WORKERS"'),
        ({"SERVER_LOG_LEVEL": "loud"}, '"SERVER_LOG_LEVEL"'),
        ({"ENV_FILE": "/nowhere/.env"}, '"ENV_FILE" names a file that is not there: /nowhere/.env'),
    ],
)
def test_what_the_server_cannot_use_is_named(settings: Mapping[str, str], sentence: str) -> None:
    assert sentence in start("product_stub", settings=settings)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"API_AUTH": "maybe"}, "Environment variable \"API_AUTH\" must be on or off, not 'maybe'"),
        ({"DB_ENGINE": "oracle"}, '"DB_ENGINE" must be one of'),
    ],
)
def test_what_the_service_cannot_use_is_named(settings: Mapping[str, str], sentence: str) -> None:
    """The process that serves reads its settings, and its sentence is the last but for the server's own."""
    assert sentence in start("product_stub", "--port", str(free_port()), settings=settings)


def test_a_service_that_there_is_not_is_named() -> None:
    assert "there is no service 'stock_service'" in start("stock_service")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_a_port_that_there_is_not_is_named(port: str) -> None:
    said = start("product_stub", f"--port={port}")
    assert f"argument --port: a port is a number from 1 to 65535, not '{port}'" in said


@pytest.mark.parametrize("name", ["SERVER_PORT", "HEALTH_PORT"])
def test_an_address_that_somebody_else_has_is_named(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = start("product_stub", settings={"SERVER_PORT": str(free_port()), name: str(port)})
    assert f"127.0.0.1, port {port} ({name}): Address already in use" in said


def test_two_servers_never_share_a_port() -> None:
    """Each would answer some of the other's requests. Workers of one server do share theirs."""
    with sockets.bound(("127.0.0.1", 0)) as other:
        other.listen()
        port = other.getsockname()[1]
        said = start("product_stub", "--port", str(port))
        everywhere = start("product_stub", "--port", str(port), settings={"SERVER_HOST": "0.0.0.0"})
        sockets.bound(("127.0.0.1", port)).close()
    assert f"127.0.0.1, port {port} (SERVER_PORT): Address already in use" in said
    assert f"0.0.0.0, port {port} (SERVER_PORT): Address already in use" in everywhere


def test_a_server_waits_for_one_that_is_on_its_way_out() -> None:
    """One that was killed is gone at once, but for the last of its processes."""
    other = sockets.bound(("127.0.0.1", 0))
    other.listen()
    leaving = threading.Timer(0.5, other.close)
    leaving.start()
    sockets.try_out(other.getsockname())
    leaving.join()


def test_a_workers_own_port_is_of_this_machine_alone() -> None:
    """127.0.0.2 is this machine's, too, and only what listens everywhere answers there."""
    port = free_port()
    process_metrics.serve(port)
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=60)


@pytest.mark.parametrize("port", [None, 65536])
def test_a_workers_own_port_that_cannot_be_had_is_named(port: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError) as refused:
        process_metrics.serve(port or taken.getsockname()[1])
    assert str(refused.value).startswith("--metrics-port: nobody can listen at 127.0.0.1, port ")


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    said = start("product_stub", settings={"SERVER_HOST": "192.0.2.1"})
    assert "192.0.2.1, port 8000 (SERVER_PORT): Cannot assign requested address" in said
