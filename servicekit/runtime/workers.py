"""The loop that a worker process runs: jobs in turn, a pause when there was nothing to do, a clean end."""

import os
import select
import signal
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from prometheus_client import Counter, Gauge, Histogram

from servicekit.observability import actor
from servicekit.observability.metrics import BUCKETS_S
from servicekit.retry import Backoff
from servicekit.runtime import heartbeat, processes
from servicekit.storage import naming

log = structlog.get_logger()

# How long a worker rests when no job found anything: the longest that work waits to be seen.
IDLE_S: Final = 1.0

# The longest that a job which fails again and again is left alone: after the fault's end it is taken up this soon.
LONGEST_WAIT_S: Final = 10.0

_ROWS_FAILED: Final = Counter(
    "worker_rows_failed",
    "Times that a row could not be worked on, for a reason that is no outage, and was set aside for longer.",
    ("job",),
)

# A worker whose last job is long ago is not there any more, or stands still. The latest of all that share its name.
_LAST_JOB: Final = Gauge(
    "worker_last_job_timestamp_seconds",
    "When a worker last turned to one of its jobs, in seconds since 1970.",
    ("service_name", "worker"),
    multiprocess_mode="mostrecent",
)
_JOB_SECONDS: Final = Histogram(
    "worker_job_duration_seconds",
    "Rounds of a worker's jobs in which there was something to do, and how long that took.",
    ("worker_job",),
    buckets=BUCKETS_S,
)
_JOBS_FAILED: Final = Counter(
    "worker_jobs_failed", "Rounds of a worker's jobs that failed and are tried again after a while.", ("worker_job",)
)

Job = Callable[[], int]
Result = TypeVar("Result")

# What most workers are called in the metrics, after their command.
WORKER: Final = "worker"


class Stop:
    """Set by SIGTERM or SIGINT; the loop ends after the job in hand.

    A flag and a pipe, not a `threading.Event`: a signal handler runs between any two instructions of the main thread,
    so also while that holds the event's own lock in `wait`, and `set` would then wait for it for ever.
    """

    def __init__(self) -> None:
        self._is_requested = False
        self._read_end, self._write_end = os.pipe()
        weakref.finalize(self, _close, self._read_end, self._write_end)

    def listen(self) -> "Stop":
        signal.signal(signal.SIGTERM, self._request)
        signal.signal(signal.SIGINT, self._request)
        return self

    def is_requested(self) -> bool:
        return self._is_requested

    def wait(self, seconds: float) -> None:
        """Rest, but no longer than until somebody asks to stop."""
        select.select([self._read_end], [], [], seconds)

    def _request(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._is_requested:
            self._is_requested = True
            os.write(self._write_end, b".")


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)


def isolated(
    job: str, row: object, work: Callable[[], Result], *, retry_later: Callable[[str], object]
) -> Result | None:
    """Work on one row of a job's batch. A failure is that row's own affair: logged, counted, and retried later.

    Args:
        row: What to call it in the log.
        work: Whatever it takes, reading the row included.
        retry_later: Makes the row due again after a wait, longer each time. Takes why, in words that anybody may read.

    Returns:
        What `work` does, None when it failed.

    Raises:
        OperationalError, InterfaceError: it cannot even be set aside, for the database is away.
    """
    _beat()
    try:
        return work()
    except Exception as problem:  # whatever it is: the other rows have nothing to do with it
        _ROWS_FAILED.labels(job).inc()
        log.exception("worker.row_failed", job=job, row=str(row))
        _retry_row_later(job, row, retry_later, f"could not be worked on: {type(problem).__name__}")
    return None


def _retry_row_later(job: str, row: object, retry_later: Callable[[str], object], why: str) -> None:
    try:
        retry_later(why)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # it stays where it is, and the others go on all the same
        log.exception("worker.row_not_set_aside", job=job, row=str(row))


@dataclass(frozen=True)
class Lane:
    """Jobs that take turns in a thread of their own, for others are not to wait for them.

    Attributes:
        finish: Called there when the worker is asked to stop.
    """

    name: str
    jobs: Sequence[tuple[str, Job]]
    finish: Callable[[], object] = lambda: None


def run(
    jobs: Sequence[tuple[str, Job]],
    *,
    stop: Stop,
    name: str = WORKER,
    idle_s: float = IDLE_S,
    clock: Callable[[], float] = time.monotonic,
    lanes: Sequence[Lane] = (),
) -> None:
    """Run the named jobs in turn until asked to stop. Each returns how much it did; a round of nothing is a rest.

    A job that fails is left out for twice as long each time, for whatever it needs may be away for a while.
    """
    processes.prepare_process()
    naming.say_which()
    log.info("worker.started", jobs=[each for each, _ in (*jobs, *(job for lane in lanes for job in lane.jobs))])
    threads = [
        threading.Thread(target=_run_lane, args=(lane,), kwargs={"stop": stop, "idle_s": idle_s, "clock": clock})
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    _take_turns(jobs, stop=stop, idle_s=idle_s, clock=clock, name=name)
    for thread in threads:
        thread.join()
    log.info("worker.stopped")


def _run_lane(lane: Lane, *, stop: Stop, idle_s: float, clock: Callable[[], float]) -> None:
    actor.act_as(actor.WORKER)
    _take_turns(lane.jobs, stop=stop, idle_s=idle_s, clock=clock)
    try:
        lane.finish()
    except Exception:  # the process ends all the same
        log.exception("worker.lane_not_finished", lane=lane.name)
    connections.close_all()


def _take_turns(
    jobs: Sequence[tuple[str, Job]],
    *,
    stop: Stop,
    idle_s: float,
    clock: Callable[[], float],
    name: str | None = None,
) -> None:
    turns = [_Turn(each, job) for each, job in jobs]
    last_job = None if name is None else _LAST_JOB.labels(settings.SERVICE_NAME, name)
    while not stop.is_requested():
        _beat()
        done = 0
        for turn in turns:
            if not stop.is_requested():
                if last_job is not None:
                    last_job.set_to_current_time()
                done += turn.take(idle_s, clock)
        if not done:
            stop.wait(idle_s)


@dataclass
class _Turn:
    """One job, and since when it fails."""

    name: str
    job: Job
    failures: int = 0
    not_before: float = 0.0

    def take(self, idle_s: float, clock: Callable[[], float]) -> int:
        if self.failures and clock() < self.not_before:
            return 0
        done = _run_job(self.name, self.job)
        if done is None:
            self.not_before = clock() + Backoff(idle_s, LONGEST_WAIT_S).wait_s(self.failures)
            self.failures += 1
            return 0
        self.failures = 0
        return done


def _beat() -> None:
    """The jobs of the worker itself go on; a lane that does tells nothing of those."""
    if threading.current_thread() is threading.main_thread():
        heartbeat.beat()


def _run_job(name: str, job: Job) -> int | None:
    """How much the job did; None when it failed."""
    close_old_connections()
    _beat()
    began = time.perf_counter()
    try:
        done = job()
    except Exception:  # the edge of the process: one job's failure must stop neither the others nor the next round
        _JOBS_FAILED.labels(name).inc()
        log.exception("worker.job_failed", job=name)
        return None
    if done:
        _JOB_SECONDS.labels(name).observe(time.perf_counter() - began)
    return done
