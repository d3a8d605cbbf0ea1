"""A server is told to stop at any moment of its life."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servicekit.tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
# A service that never gets as far as to serve, and says when it has begun.
NEVER_LOADED = """
import pathlib, time
pathlib.Path({begun!r}).touch()
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_still_loading_ends_at_once(number: signal.Signals, tmp_path: Path) -> None:
    """Its worker would not see the signal, and be killed after 25 seconds, when it has long begun to answer."""
    begun = tmp_path / "begun"
    package = tmp_path / "never_loaded"
    package.mkdir()
    (package / "wsgi.py").write_text(NEVER_LOADED.format(begun=str(begun)))
    command = [sys.executable, "-m", "servicekit.server", "never_loaded", "--port", str(free_port())]
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        while not begun.exists():
            assert server.poll() is None
            time.sleep(0.01)
        server.send_signal(number)
        printed, _ = server.communicate(timeout=120)
    assert b"Killing" not in printed
    assert b"Traceback" not in printed
    assert server.returncode == 0
