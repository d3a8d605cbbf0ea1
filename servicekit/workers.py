"""The loop that a worker process runs: jobs in turn, a pause when there was nothing to do, a clean end."""

import os
import select
import signal
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import structlog
from django.db import close_old_connections

from servicekit.sqlite import base as sqlite

log = structlog.get_logger()

# How long a worker rests when no job found anything: the longest that work waits to be seen.
IDLE_S: Final = 1.0

Job = Callable[[], int]


class Stop:
    """Set by SIGTERM or SIGINT; the loop ends after the job in hand.

    A flag and a pipe, not a `threading.Event`: a signal handler runs between any two instructions of the main thread,
    so also while that holds the event's own lock in `wait`, and `set` would then wait for it for ever.
    """

    def __init__(self) -> None:
        self._asked = False
        self._read_end, self._write_end = os.pipe()
        weakref.finalize(self, _close, self._read_end, self._write_end)

    def listen(self) -> "Stop":
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        return self

    def asked(self) -> bool:
        return self._asked

    def wait(self, seconds: float) -> None:
        """Rest, but no longer than until somebody asks to stop."""
        select.select([self._read_end], [], [], seconds)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            os.write(self._write_end, b".")


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)


def run(jobs: Sequence[tuple[str, Job]], *, stop: Stop, idle_s: float = IDLE_S) -> None:
    """Run the named jobs in turn until asked to stop. Each returns how much it did; a round of nothing is a rest."""
    sqlite.never_create()
    log.info("worker.started", jobs=[name for name, _ in jobs])
    while not stop.asked():
        done = sum(_run_job(name, job) for name, job in jobs if not stop.asked())
        if not done:
            stop.wait(idle_s)
    log.info("worker.stopped")


def _run_job(name: str, job: Job) -> int:
    close_old_connections()
    try:
        return job()
    except Exception:  # the edge of the process: one job's failure must stop neither the others nor the next round
        log.exception("worker.job_failed", job=name)
        return 0
