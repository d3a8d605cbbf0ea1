"""Starting servers for tests: free ports, and waiting until they answer."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from payment_service.settings import HERE
from tests import databases

# Longer than any machine needs to start one.
START_S = 180


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[str]:
    """A server of the payment service over an empty database in `folder`; yields its URL."""
    database = databases.at(folder / "payments.sqlite3")
    database.create()
    about = {
        **os.environ,
        **database.environment,
        "DJANGO_SETTINGS_MODULE": "payment_service.settings",
        "LOG_LEVEL": "ERROR",
        # All requests are answered, however long that takes here.
        "REQUEST_WAIT_S": "60",
        **environment,
    }
    subprocess.run([sys.executable, HERE / "manage.py", "migrate", "-v0"], env=about, check=True)
    port = free_port()
    command = [sys.executable, "-m", "servicekit.server", "payment_service", "--port", str(port)]
    with subprocess.Popen(command, cwd=HERE.parent, env=about) as server:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health")
        yield url
        server.terminate()
    database.drop()


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
