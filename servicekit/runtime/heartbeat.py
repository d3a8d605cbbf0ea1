"""A worker's sign of life: its loop writes it into a file, and a probe reads it.

    python -m servicekit.runtime.heartbeat /tmp/heartbeat --within 120

A worker has no port that could answer, and a process that runs proves nothing: its loop may hang. The time in the file
is the machine's own since it started, the same in every process on it, so that nobody who sets a clock ends a worker.
No Django here: a probe is run every few seconds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

# How old the sign may be. One order, charge or batch of events takes half a minute at most, each with every wait of its
# own; with a database that does not answer some more.
WITHIN_S: Final = 120.0
# Rounds without work come five times a second; a probe does not look as often.
_EVERY_S: Final = 1.0


class Heartbeat:
    """The file; until `write_to` there is none, and a beat costs nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._path: Path | None = None
        self._next = 0.0

    def write_to(self, path: Path) -> None:
        self._path, self._next = path, 0.0
        self.beat()

    def beat(self) -> None:
        """Say that the loop goes on: before each job, row and message."""
        if self._path is None or (now := self._clock()) < self._next:
            return
        self._next = now + _EVERY_S
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(f"{now:.3f}", encoding="ascii")
        new.replace(self._path)  # whoever reads it never reads half of it


# One for the process, as the loop is.
HEARTBEAT: Final = Heartbeat()
beat = HEARTBEAT.beat


def problem(path: Path, *, within_s: float = WITHIN_S, clock: Callable[[], float] = time.monotonic) -> str:
    """Why the worker behind the file does not seem to live; empty when it does."""
    try:
        age_s = clock() - float(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as cause:
        return f"no sign of life: {cause}"
    return f"the last sign of life is {age_s:.0f} s old, more than {within_s:g}" if age_s > within_s else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m servicekit.runtime.heartbeat",
        description="Whether a worker's loop goes on.",
    )
    parser.add_argument("file", type=Path, help="what the worker was given as --heartbeat")
    parser.add_argument(
        "--within", type=float, default=WITHIN_S, metavar="SECONDS", help="its greatest age (%(default)g)"
    )
    arguments = parser.parse_args()
    found = problem(arguments.file, within_s=arguments.within)
    if found:
        print(found, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
