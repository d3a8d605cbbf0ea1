"""Ports of this machine for a test."""

import socket


def free_port() -> int:
    """One at which nobody listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port
