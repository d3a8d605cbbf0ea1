"""The sockets that a server listens at."""

import socket
import sys

from servicekit.runtime.server_settings import SEND_TIMEOUT_S


def bound(address: tuple[str, int]) -> socket.socket:
    """A socket such as each worker has one; the system shares out the connections among them."""
    bound = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # What is accepted has these, too.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_S * 1000)
    bound.bind(address)
    return bound
