"""The points at which processes are killed or stand still: none is taken for met at which nothing happened.

Nothing here may send a signal, not even from a thread that outlives its test: the group is the tests' own.
"""

import json
import signal
import threading
from pathlib import Path
from typing import Final

import pytest

from tests.faults.crash_points import CrashPoints
from tests.stack import wait_until

WORKER: Final = "payment_service-worker"


def test_a_point_that_was_waited_at_in_vain_is_met_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits for another one's transaction may find that the process was let go on meanwhile."""
    armed, stood_still = tmp_path / f"{WORKER}.armed", tmp_path / f"{WORKER}.stop"

    def process() -> CrashPoints:
        points = CrashPoints(send=lambda _: None)
        points.become(WORKER, tmp_path)
        return points

    first = process()
    armed.write_text("stop")
    asked: list[tuple[str, str]] = []
    looks = first._asked

    def look() -> tuple[str, str]:
        asked.append(looks())
        return asked[-1]

    monkeypatch.setattr(first, "_asked", look)
    with first.transaction:
        waiting = threading.Thread(target=first.reach, args=("deliver",))
        waiting.start()
        wait_until(lambda: asked, what="it has come to the point")
        armed.unlink()
    waiting.join()
    assert not stood_still.exists()
    armed.write_text("stop")
    process().reach("deliver")
    process().reach("deliver")
    assert [json.loads(line)["kind"] for line in stood_still.read_text().splitlines()] == ["deliver"]


def test_nobody_claims_a_point_while_another_thread_dies(tmp_path: Path) -> None:
    """It would be killed before the point is written down, and nobody would die there any more."""
    claimed: list[int] = []
    other = threading.Thread(target=lambda: points.reach("publish"))

    def dies(_: signal.Signals) -> None:
        if not claimed:
            claimed.append(0)
            other.start()
            other.join(0.5)
            claimed[0] = len(list(tmp_path.glob(f"{WORKER}.kill.*")))

    points = CrashPoints(send=dies)
    points.become(WORKER, tmp_path)
    (tmp_path / f"{WORKER}.armed").write_text("kill")
    points.reach("deliver")
    other.join()
    assert claimed == [1]
