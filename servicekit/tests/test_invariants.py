"""Passes are told and counted: what holds, what is violated, and what was never looked at."""

import json
from collections.abc import Iterator

import pytest

from servicekit.invariants.checker import (
    Batch,
    Finding,
    Invariant,
    JsonReport,
    Outcome,
    Pass,
    TextReport,
    Waiting,
    check,
)

TRUE = Invariant("I1", "always_true", "It is true.", "Nothing to do.")
FALSE = Invariant("I2", "never_true", "It is false.", "Run.")


def batches(*findings: Finding, rows: int = 3) -> Iterator[Batch]:
    yield Batch(rows, findings)
    yield Batch(1, ())


def test_what_holds_and_what_does_not_is_told_by_name() -> None:
    """A line for each violation with its row, then each invariant with its count, promise and advice."""
    lines: list[str] = []
    finding = Finding(FALSE, "row 7", "it is blue")
    outcome = check([Pass("rows", (TRUE, FALSE), lambda: batches(finding))], TextReport("shop", lines.append))
    assert outcome is Outcome.VIOLATED
    assert lines == [
        "VIOLATION I2 never_true: row 7: it is blue",
        "PASS  I1   always_true                                        4 rows",
        "FAIL  I2   never_true                                         4 rows, 1 violated",
        "           Must be true: It is false.",
        "           What to do:   Run.",
        "shop: VIOLATED, 1 times. Looked at 4 rows.",
    ]


def test_programs_read_the_same() -> None:
    """One JSON object a line; the last is the result."""
    lines: list[str] = []
    check([Pass("rows", (FALSE,), lambda: batches(Finding(FALSE, "row 7", "x")))], JsonReport("shop", lines.append))
    violation, invariant, result = (json.loads(line) for line in lines)
    named = {"service": "shop", "number": "I2", "name": "never_true"}
    assert violation == {"kind": "violation", **named, "subject": "row 7", "message": "x"}
    counted = {"verdict": "fail", "rows": "rows", "looked_at": 4, "violations": 1}
    assert invariant == {"kind": "invariant", **named, "promise": "It is false.", "advice": "Run.", **counted}
    assert result == {
        "kind": "result",
        "service": "shop",
        "outcome": "violated",
        "looked_at": {"rows": 4},
        "violations": 1,
    }


@pytest.mark.parametrize(
    ("is_needed", "outcome"), [(True, Outcome.UNPROVEN), (False, Outcome.HOLDS)], ids=["needed", "not needed"]
)
def test_where_nothing_was_looked_at_nothing_is_proven(is_needed: bool, outcome: Outcome) -> None:
    """Unless the rows are of a kind that a healthy database may be without."""
    lines: list[str] = []
    empty = Pass("rows", (TRUE,), lambda: (), is_needed=is_needed)
    assert check([empty], TextReport("shop", lines.append)) is outcome
    assert lines[0].startswith("NONE  I1   always_true")
    assert ("NOTHING PROVEN" in lines[-1]) is is_needed


def test_what_waits_for_a_person_is_told_and_breaks_nothing() -> None:
    """A line of its own before the last, in words and for programs."""
    words: list[str] = []
    lines: list[str] = []
    for report in (TextReport("shop", words.append), JsonReport("shop", lines.append)):
        passes = [Pass("rows", (TRUE,), lambda: [Batch(2, ())])]
        assert check(passes, report, waiting=lambda: [Waiting("things", 2, "look")]) is Outcome.HOLDS
    assert words[-2] == "WAIT  2 things for a person: look"
    assert json.loads(lines[-2]) == {
        "kind": "waiting",
        "service": "shop",
        "rows": "things",
        "count": 2,
        "advice": "look",
    }
