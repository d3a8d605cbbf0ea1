"""Connections on which a test writes bytes as it likes, and reads what comes back."""

import json
import re
import resource
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.client import PATIENCE_S
from tests.stack import Service


def connected(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


@contextmanager
def connections(service: Service, count: int) -> Iterator[list[socket.socket]]:
    """So many at once. They are open files of the test's own, too, which has a limit of 1,024 to begin with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as opened:
            yield [opened.enter_context(connected(service)) for _ in range(count)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def head(method: str, path: str, *headers: str) -> bytes:
    """A request up to its body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def answered(connections: list[socket.socket], *, at_least: int) -> list[socket.socket]:
    """Those on which something has come; none of them before there are so many."""
    with selectors.DefaultSelector() as waiting:
        for connection in connections:
            waiting.register(connection, selectors.EVENT_READ)
        found = [key.fileobj for key, _ in waiting.select(timeout=0)]
    return [each for each in found if isinstance(each, socket.socket)] if len(found) >= at_least else []


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def answer_in(received: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers (names in small letters) and JSON of a whole answer."""
    top, _, body = received.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    found = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", first)
    assert found, received
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(found[1]), headers, json.loads(body) if body else None


def asked(service: Service, *parts: bytes, then_silent: bool = False) -> tuple[int, dict[str, str], Any]:
    """The answer to a request of these bytes on a connection that nobody uses afterwards.

    Args:
        then_silent: Say that nothing more is coming.
    """
    with connected(service) as connection:
        connection.sendall(b"".join(parts))
        if then_silent:
            connection.shutdown(socket.SHUT_WR)
        return answer_in(rest_of(connection))
