"""What came of a run: the lines that fault tests left, and pytest's own reports, read into plain values."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from tests.faults.result_log import PASSED

PLANTED: Final = "Planted bug: "
ATTACK: Final = "Attack: "


@dataclass(frozen=True)
class Line:
    """One fault that a test put in, and how the test ended."""

    fault: str
    injected: str
    times: int
    checks: str
    numbers: tuple[int, ...]
    seed: int | None
    test: str
    seconds: float
    engine: str
    outcome: str

    @property
    def has_passed(self) -> bool:
        return self.outcome == PASSED

    @property
    def function(self) -> str:
        """The test without its parameters."""
        return self.test.partition("[")[0]

    @property
    def is_planted(self) -> bool:
        return self.fault.startswith(PLANTED)

    @property
    def is_attack(self) -> bool:
        return self.fault.startswith(ATTACK)


@dataclass(frozen=True)
class Ran:
    """One test of a report. `file` is its path in the repository."""

    file: str
    name: str
    seconds: float
    has_passed: bool

    def is_part_of(self, node: str) -> bool:
        """Whether it is what a node id means: a file, or a function in it with all its parameters."""
        file, _, function = node.partition("::")
        return self.file == file and function in ("", self.name.partition("[")[0])


def read_lines(path: Path) -> list[Line]:
    """The lines of the result log, in the order in which it was left."""
    if not path.exists():
        return []
    return [_line(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def read_report(path: Path) -> Iterator[Ran]:
    """The tests of a JUnit report."""
    if not path.exists():
        return
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        has_passed = not any(case.find(problem) is not None for problem in ("failure", "error", "skipped"))
        file = case.get("classname", "").replace(".", "/") + ".py"
        yield Ran(file, case.get("name", ""), float(case.get("time", 0)), has_passed)


def tests_of(nodes: Sequence[str], tests: Iterable[Ran]) -> list[Ran]:
    """Those of the tests that any of the node ids means."""
    return [test for test in tests if any(test.is_part_of(node) for node in nodes)]


def _line(facts: dict[str, Any]) -> Line:
    return Line(**{**facts, "numbers": tuple(facts["numbers"])})
