"""The sockets that a server listens at."""

import errno
import ipaddress
import os
import socket
import sys
import time
from typing import Final

from servicekit.runtime.server_settings import SEND_TIMEOUT_S

_ANSWERS_WITHIN_S: Final = 1.0
_GONE_WITHIN_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.2
_LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}


def try_out(address: tuple[str, int]) -> None:
    """Raises OSError: nobody can listen there; or somebody does, if only with a socket that can be shared.

    One that was killed is waited for: its last process may be a moment behind.
    """
    bound(address).close()
    deadline = time.monotonic() + _GONE_WITHIN_S
    while _is_answered(address):
        if time.monotonic() > deadline:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        time.sleep(_LOOK_EVERY_S)


def _is_answered(address: tuple[str, int]) -> bool:
    host, port = address
    here = ipaddress.ip_address(host)
    with socket.socket(_family(host)) as client:
        client.settimeout(_ANSWERS_WITHIN_S)
        problem = client.connect_ex((_LOOPBACK[here.version] if here.is_unspecified else host, port))
        # A connection within this machine may be given the very port that it goes to, and so end at itself.
        ends_at_itself = problem == 0 and client.getsockname() == client.getpeername()
        # Somebody who takes no more connections does not answer in time.
        return problem != errno.ECONNREFUSED and not ends_at_itself


def bound(address: tuple[str, int]) -> socket.socket:
    """A socket such as each worker has one; the system shares out the connections among them."""
    bound = socket.socket(_family(address[0]))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # What is accepted has these, too.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_S * 1000)
    bound.bind(address)
    return bound


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
