"""The result log of a run is what its tests wrote, with how each of them ended."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.result_log import FAILED, FILE, PASSED, ResultLog

pytest_plugins = ["pytester"]

SUITE = '''
def test_one_fault(result_log):
    result_log("disk full", injected="a small disk", times=3, checks="nothing lost", numbers=27, seed=5)

def test_two_faults(result_log):
    result_log("a", injected="b", times=1, checks="c", numbers=(1, 2))
    result_log("d", injected="e", times=2, checks="f")

def test_fails_before_it_tells(result_log):
    """What was to hold."""
    assert False
    result_log("never told", injected="", times=1, checks="")

def test_fails_after_it_told(result_log):
    result_log("told too early", injected="x", times=1, checks="y")
    assert False

def test_tells_nothing():
    pass
'''


def test_a_line_for_each_fault_holds_what_was_told_and_how_the_test_ended(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Passed tests leave the faults they told; failed ones a line that says FAILED, told or not."""
    monkeypatch.setenv(FILE, str(tmp_path / "evidence.jsonl"))
    monkeypatch.setenv("TEST_DB_ENGINE", "postgres")

    _run(pytester).assert_outcomes(passed=3, failed=2)

    lines = [json.loads(line) for line in (tmp_path / "evidence.jsonl").read_text().splitlines()]
    assert [(line["fault"], line["outcome"]) for line in lines] == [
        ("disk full", PASSED),
        ("a", PASSED),
        ("d", PASSED),
        ("What was to hold.", FAILED),
        ("told too early", FAILED),
    ]
    first: dict[str, Any] = lines[0]
    assert first.pop("seconds") >= 0
    assert first.pop("test").endswith("::test_one_fault")
    assert first == {
        "fault": "disk full",
        "injected": "a small disk",
        "times": 3,
        "checks": "nothing lost",
        "numbers": [27],
        "seed": 5,
        "engine": "postgres",
        "outcome": PASSED,
    }
    assert lines[1]["numbers"] == [1, 2]


def test_nothing_is_written_where_no_file_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary run of the tests leaves nothing behind."""
    monkeypatch.delenv(FILE, raising=False)

    _run(pytester).assert_outcomes(passed=3, failed=2)

    left = {file.name for file in pytester.path.iterdir()}
    assert left - {"__pycache__"} == {"test_told.py"}


def test_telling_changes_nothing() -> None:
    """The call keeps what it was told, and no more."""
    told = ResultLog()

    told("a", injected="b", times=1, checks="c")

    assert [fault.fault for fault in told.faults] == ["a"]


def _run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(test_told=SUITE)
    return pytester.runpytest_inprocess("-p", "no:django", "-p", "tests.faults.result_log", "-p", "no:cacheprovider")
