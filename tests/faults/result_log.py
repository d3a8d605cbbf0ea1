"""What a run of the fault tests leaves behind: one JSON line for each fault, of which `docs/reliability.md` is made.

A test asks for the fixture `result_log` and calls it once for every fault that it puts in. The line is written after
the test, when its outcome is known; a test that fails before it comes to its call leaves a line that says so.
"""

import json
import os
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import pytest

# The file that lines are added to; without it none are written.
FILE: Final = "FAULT_EVIDENCE"
PASSED: Final = "passed"
FAILED: Final = "FAILED"


@dataclass(frozen=True)
class Fault:
    """One fault that a test put in, as the test tells it."""

    fault: str
    injected: str
    times: int
    checks: str
    numbers: tuple[int, ...] = ()
    seed: int | None = None


@dataclass
class ResultLog:
    """What one test has reported so far, and how it went."""

    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0
    failed: bool = False

    def __call__(
        self,
        fault: str,
        *,
        injected: str,
        times: int,
        checks: str,
        numbers: int | Sequence[int] = (),
        seed: int | None = None,
    ) -> None:
        """Tell of one fault.

        Args:
            fault: What went wrong, in a few words: "a service is killed at every commit".
            injected: What was done to have it so: "SIGKILL before and after each COMMIT and each call".
            times: How often it was done in this test.
            checks: What was looked at afterwards: "I1 I3 I8: checker across the services".
            numbers: The fault's places in the list of `tests/faults/catalogue.py`, when it is in there.
            seed: Where something was drawn: what draws it again.
        """
        places = (numbers,) if isinstance(numbers, int) else tuple(numbers)
        self.faults.append(Fault(fault, injected, times, checks, places, seed))


_RESULT_LOG: Final = pytest.StashKey[ResultLog]()


@pytest.fixture
def result_log(request: pytest.FixtureRequest) -> ResultLog:
    """A function that tells of a fault that this test put in; its arguments are those of `ResultLog.__call__`."""
    stash: pytest.Stash = request.node.stash
    return stash.setdefault(_RESULT_LOG, ResultLog())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add up the test's phases; after the last of them write its lines."""
    report = yield
    if os.environ.get(FILE) and "result_log" in getattr(item, "fixturenames", ()):
        result_log = item.stash.setdefault(_RESULT_LOG, ResultLog())
        result_log.seconds += report.duration
        result_log.failed |= report.failed
        if report.when == "teardown":
            _write(item, result_log)
    return report


def engine() -> str:
    """The database engine that this run is on."""
    return os.environ.get("TEST_DB_ENGINE", "sqlite")


def _write(item: pytest.Item, result_log: ResultLog) -> None:
    faults = list(result_log.faults)
    if result_log.failed and not faults:
        sentence = (getattr(item, "function", None).__doc__ or item.name).splitlines()[0]
        faults = [Fault(sentence, "", 0, "")]
    about = {
        "test": item.nodeid,
        "seconds": round(result_log.seconds, 2),
        "engine": engine(),
        "outcome": FAILED if result_log.failed else PASSED,
    }
    # One write of whole lines: several runs may add to one file.
    lines = "".join(json.dumps(asdict(fault) | about) + "\n" for fault in faults)
    with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
        file.write(lines)
