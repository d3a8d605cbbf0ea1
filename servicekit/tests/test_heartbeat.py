"""A worker's loop says that it goes on, and a probe hears it."""

import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.runtime import heartbeat, workers
from servicekit.runtime.heartbeat import Heartbeat
from servicekit.tests.clocks import Clock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def probe(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "servicekit.runtime.heartbeat", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_probe_hears_a_fresh_sign(file: Path) -> None:
    """Another process reads the same clock."""
    Heartbeat().write_to(file)
    assert (probe(str(file)).returncode, probe(str(file), "--within", "-1").returncode) == (0, 1)


@pytest.mark.parametrize("written", [None, "", "yesterday"])
def test_the_probe_misses_what_is_not_there(file: Path, written: str | None) -> None:
    """A worker that never began to work has written nothing."""
    if written is not None:
        file.write_text(written)
    found = probe(str(file))
    assert (found.returncode, found.stderr.startswith("no sign of life: ")) == (1, True)


def test_an_old_sign_is_none(file: Path) -> None:
    clock = Clock()
    Heartbeat(clock).write_to(file)
    clock.now += 120
    assert heartbeat.problem(file, clock=clock) == ""
    clock.now += 1
    assert heartbeat.problem(file, clock=clock) == "the last sign of life is 121 s old, more than 120"


def test_it_writes_once_a_second_however_often_it_beats(file: Path) -> None:
    """An idle round is a hundred microseconds; a file for each would be most of it."""
    clock = Clock()
    sign = Heartbeat(clock)
    sign.write_to(file)
    first = file.read_text()
    clock.now += 0.9
    sign.beat()
    assert file.read_text() == first
    clock.now += 0.1
    sign.beat()
    assert file.read_text() != first


@pytest.mark.django_db(transaction=True)
def test_the_loop_beats_in_each_round_also_when_every_job_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose database is away lives: to start it anew would help nobody."""
    beats: list[str] = []
    monkeypatch.setattr(heartbeat, "beat", lambda: beats.append("beat"))

    class Stop(workers.Stop):
        rounds = 0

        def is_requested(self) -> bool:
            return self.rounds == 3

        def wait(self, seconds: float) -> None:
            self.rounds += 1

    def fail() -> int:
        raise OSError("away")

    workers.run([("fails", fail)], stop=Stop())
    assert len(beats) >= 3


@pytest.mark.django_db
def test_each_row_of_a_batch_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred orders whose payment service hangs take longer than any sign may be old."""
    beats: list[str] = []
    monkeypatch.setattr(heartbeat, "beat", lambda: beats.append("beat"))
    for number in range(3):
        workers.isolated("resume", number, lambda: 1, retry_later=lambda _why: None)
    assert len(beats) == 3
