"""The worker's loop: jobs in turn, rest when idle, one job's failure is only its own, a clean end."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from django.db import OperationalError
from prometheus_client import REGISTRY

from servicekit.runtime import workers
from servicekit.tests.conftest import LogLines

# A worker's loop tidies its database connections.
pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


class FakeStop(workers.Stop):
    """Asks to stop after a number of rests, and remembers them. Time passes only while it rests."""

    def __init__(self, *, after_rests: int) -> None:
        super().__init__()
        self.rests: list[float] = []
        self.after_rests = after_rests

    def clock(self) -> float:
        return sum(self.rests)

    def is_requested(self) -> bool:
        return len(self.rests) >= self.after_rests

    def wait(self, seconds: float) -> None:
        self.rests.append(seconds)


def test_it_rests_only_when_no_job_found_anything() -> None:
    """As long as there is work it goes on at once."""
    left = [3, 1, 0]
    calls: list[str] = []

    def busy() -> int:
        calls.append("busy")
        return left.pop(0)

    def idle() -> int:
        calls.append("idle")
        return 0

    stop = FakeStop(after_rests=1)
    workers.run([("busy", busy), ("idle", idle)], stop=stop, idle_s=0.25)
    assert calls == ["busy", "idle"] * 3
    assert stop.rests == [0.25]


def test_a_job_that_fails_stops_neither_the_others_nor_the_next_round(log_lines: LogLines) -> None:
    """The failure is logged with its traceback, and the loop goes on."""
    calls: list[str] = []

    def broken() -> int:
        calls.append("broken")
        raise RuntimeError("boom")

    def sound() -> int:
        calls.append("sound")
        return 0

    stop = FakeStop(after_rests=2)
    workers.run([("broken", broken), ("sound", sound)], stop=stop, clock=stop.clock)
    assert calls == ["broken", "sound"] * 2
    failures = [line for line in log_lines() if line["event"] == "worker.job_failed"]
    assert [line["job"] for line in failures] == ["broken", "broken"]
    assert "RuntimeError: boom" in failures[0]["exception"]


def test_a_job_that_keeps_failing_is_left_alone_for_longer_each_time() -> None:
    """As when the disk is full: no spinning, no flood of log lines, and soon there again when it works."""
    stop = FakeStop(after_rests=100)
    tried: list[float] = []
    rounds = 0

    def fails_for_forty_seconds() -> int:
        tried.append(stop.clock())
        if stop.clock() < 40:
            raise OSError("disk is full")
        return 0

    def never_fails() -> int:
        nonlocal rounds
        rounds += 1
        return 0

    workers.run([("a", fails_for_forty_seconds), ("b", never_fails)], stop=stop, idle_s=0.5, clock=stop.clock)
    assert tried[:10] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5, 35.5, 45.5, 46.0]
    assert rounds == 100


def test_a_row_that_fails_is_logged_counted_and_retried_later(log_lines: LogLines) -> None:
    """With a reason that anybody may read; what it was about stays in the log."""
    reasons: list[str] = []
    before = REGISTRY.get_sample_value("worker_rows_failed_total", {"job": "a"}) or 0.0

    def fails() -> int:
        raise KeyError("secret")

    assert workers.isolated("a", 7, fails, retry_later=reasons.append) is None
    assert workers.isolated("a", 8, lambda: 3, retry_later=reasons.append) == 3
    assert reasons == ["could not be worked on: KeyError"]
    assert REGISTRY.get_sample_value("worker_rows_failed_total", {"job": "a"}) == before + 1
    (line,) = log_lines()
    assert (line["event"], line["job"], line["row"]) == ("worker.row_failed", "a", "7")


def test_a_row_that_cannot_be_retried_later_stops_no_other_unless_the_database_is_away(log_lines: LogLines) -> None:
    """Then it is not the row: the job fails, and is taken up again later."""

    def fails(*_: object) -> int:
        raise ValueError

    def is_away(_why: str) -> None:
        raise OperationalError("gone")

    assert workers.isolated("a", 7, fails, retry_later=fails) is None
    assert [line["event"] for line in log_lines()] == ["worker.row_failed", "worker.row_not_set_aside"]
    with pytest.raises(OperationalError):
        workers.isolated("a", 7, fails, retry_later=is_away)


def test_after_a_stop_no_further_job_of_the_round_begins() -> None:
    """The job in hand is finished, the next one is not started."""
    stop = workers.Stop()
    calls: list[str] = []

    def asks_to_stop() -> int:
        calls.append("first")
        stop._request(signal.SIGTERM, None)
        return 1

    workers.run([("first", asks_to_stop), ("second", lambda: calls.append("second") or 0)], stop=stop)
    assert calls == ["first"]


def test_a_signal_is_heard_in_any_moment() -> None:
    """A thousand signals at moments that creep along a microsecond at a time: none of them hangs the loop."""
    before = signal.getsignal(signal.SIGALRM)
    try:
        for number in range(1000):
            stop = workers.Stop()
            signal.signal(signal.SIGALRM, stop._request)
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + number / 1_000_000)
            while not stop.is_requested():
                stop.wait(0.00001)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_rest_ends_with_the_signal() -> None:
    """However long it was to be, and also when the signal came before it."""
    stop = workers.Stop()
    stop._request(signal.SIGTERM, None)
    stop._request(signal.SIGTERM, None)
    started = time.monotonic()
    stop.wait(30)
    stop.wait(30)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_job_in_hand_finish(number: signal.Signals) -> None:
    """A real process, signalled in the middle of a job: the job ends, the process ends with 0."""
    program = """
        import sys
        import django
        django.setup()
        from servicekit.runtime import workers

        def job():
            print("job begins", flush=True)
            sys.stdin.readline()
            print("job ends", flush=True)
            return 1

        workers.run([("job", job)], stop=workers.Stop().listen())
        print("loop ends", flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "servicekit.tests.settings"}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert "job begins\n" in iter(worker.stdout.readline, "")  # what is before it are lines of the log
        worker.send_signal(number)
        rest, _ = worker.communicate("go on\n", timeout=300)
    printed = [line for line in rest.splitlines() if not line.startswith("{")]
    assert printed == ["job ends", "loop ends"]
    assert worker.returncode == 0
