"""Starting servers for tests: free ports, and waiting until they answer."""

import socket
import time
import urllib.request

# Longer than any machine needs to start one.
START_S = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(url):
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=START_S).close()
    except OSError:
        return False
    return True
