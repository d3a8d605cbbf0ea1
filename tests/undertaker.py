"""Ends what a run of the tests has started when that run ends without a chance to do so itself.

`python tests/undertaker.py` reads a line for each process group: its number when it has been started, and with a minus
when it has ended. At the end of its input, which is the end of the tests however they end, it kills what is left.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import IO


def watch(group: int) -> None:
    """See to it that a process group does not outlive the tests."""
    _tell(str(group))


def forget(group: int) -> None:
    """Its number may be another's soon."""
    _tell(f"-{group}")


def _tell(line: str) -> None:
    told = _input(os.getpid())
    told.write(f"{line}\n".encode())
    told.flush()


@cache
def _input(_of: int) -> IO[bytes]:
    process = subprocess.Popen([sys.executable, "-S", __file__], stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    return process.stdin


def main() -> None:
    left: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        if number > 0:
            left.add(number)
        else:
            left.discard(-number)
    for group in left:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
