"""Nothing that the tests start outlives them."""

import subprocess
import sys

from tests.stack import ROOT, wait_until
from tests.test_start import is_there

SCRIPT = """
import os, subprocess, time
from tests import undertaker
left, ended = (subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(2))
undertaker.watch(left.pid)
undertaker.watch(ended.pid)
undertaker.forget(ended.pid)
print(left.pid, ended.pid, flush=True)
time.sleep(1000)
"""


def test_what_runs_is_ended_with_tests_that_are_killed() -> None:
    """But not what has ended already, as they know it: its number may be another's."""
    tests = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    left, ended = map(int, tests.stdout.readline().split())
    tests.kill()
    tests.wait()
    wait_until(lambda: not is_there(left))
    assert is_there(ended)
    subprocess.run(["kill", str(ended)], check=True)
    tests.stdout.close()
