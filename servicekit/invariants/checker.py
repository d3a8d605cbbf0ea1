"""Named invariants, what was found of them, and how that is told. Knows no database and no service.

An invariant is a sentence that must be true of every row at every moment. It is checked by going through the rows that
it is about, in batches, so that neither many rows nor many violations need much memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from servicekit import exactjson


@dataclass(frozen=True)
class Invariant:
    """What must be true.

    Attributes:
        number: "I1" to "I11": which of the promises in docs/reliability.md it is a part of.
        promise: The sentence.
        advice: What a violation means and what to do about it, for whoever is woken up by it.
    """

    number: str
    name: str
    promise: str
    advice: str


class Finding(NamedTuple):
    """One violation. `subject` names the row with its id."""

    invariant: Invariant
    subject: str
    message: str


class Batch(NamedTuple):
    """What one batch had."""

    rows: int
    findings: Sequence[Finding]


@dataclass(frozen=True)
class Pass:
    """One way through the rows of one kind, and what is checked on the way.

    Attributes:
        rows: What the rows are, in the plural.
        is_needed: Whether a database without any such row has proven nothing at all.
    """

    rows: str
    invariants: tuple[Invariant, ...]
    batches: Callable[[], Iterable[Batch]]
    is_needed: bool = False


@dataclass(frozen=True)
class Waiting:
    """How many rows wait for a person. It breaks no invariant, but only because that person looks."""

    rows: str
    count: int
    advice: str


class Outcome(IntEnum):
    """What a check came to; the number is its exit status."""

    HOLDS = 0
    VIOLATED = 1
    UNPROVEN = 2  # there was nothing to look at


class Report(Protocol):
    """Where it is told."""

    def found(self, finding: Finding) -> None: ...

    def judged(self, invariant: Invariant, *, rows: str, looked_at: int, violations: int) -> None: ...

    def waits(self, waiting: Waiting) -> None: ...

    def ended(self, outcome: Outcome, *, looked_at: dict[str, int], violations: int) -> None: ...


def check(passes: Sequence[Pass], report: Report, *, waiting: Callable[[], Iterable[Waiting]] = lambda: ()) -> Outcome:
    """Go through all rows, and tell each violation as it is found, then how each invariant stands and what waits."""
    looked_at: Counter[str] = Counter()
    violations: Counter[str] = Counter()
    for each in passes:
        looked_at[each.rows] += 0
        for batch in each.batches():
            looked_at[each.rows] += batch.rows
            for finding in batch.findings:
                violations[finding.invariant.name] += 1
                report.found(finding)
    for each in passes:
        for invariant in each.invariants:
            count = violations[invariant.name]
            report.judged(invariant, rows=each.rows, looked_at=looked_at[each.rows], violations=count)
    for some in waiting():
        report.waits(some)
    is_empty = any(each.is_needed and not looked_at[each.rows] for each in passes)
    outcome = Outcome.VIOLATED if violations.total() else Outcome.UNPROVEN if is_empty else Outcome.HOLDS
    report.ended(outcome, looked_at=dict(looked_at), violations=violations.total())
    return outcome


class TextReport:
    """For people."""

    def __init__(self, who: str, write: Callable[[str], object]) -> None:
        self._who = who
        self._write = write

    def found(self, finding: Finding) -> None:
        invariant = finding.invariant
        self._write(f"VIOLATION {invariant.number} {invariant.name}: {finding.subject}: {finding.message}")

    def judged(self, invariant: Invariant, *, rows: str, looked_at: int, violations: int) -> None:
        verdict = "FAIL" if violations else "PASS" if looked_at else "NONE"
        line = f"{verdict}  {invariant.number:<3}  {invariant.name:<40}  {looked_at:>10,} {rows}"
        self._write(f"{line}, {violations:,} violated" if violations else line)
        if violations:
            self._write(f"           Must be true: {invariant.promise}")
            self._write(f"           What to do:   {invariant.advice}")

    def waits(self, waiting: Waiting) -> None:
        self._write(f"WAIT  {waiting.count:,} {waiting.rows} for a person: {waiting.advice}")

    def ended(self, outcome: Outcome, *, looked_at: dict[str, int], violations: int) -> None:
        seen = ", ".join(f"{count:,} {rows}" for rows, count in looked_at.items())
        self._write(f"{self._who}: {_SENTENCES[outcome].format(count=violations)} Looked at {seen}.")


class JsonReport:
    """For programs: one JSON object a line, `kind` is "violation", "invariant", "waiting" or "result"."""

    def __init__(self, who: str, write: Callable[[str], object]) -> None:
        self._who = who
        self._write = write

    def found(self, finding: Finding) -> None:
        invariant = finding.invariant
        named = {"number": invariant.number, "name": invariant.name}
        self._line("violation", **named, subject=finding.subject, message=finding.message)

    def judged(self, invariant: Invariant, *, rows: str, looked_at: int, violations: int) -> None:
        verdict = "fail" if violations else "pass" if looked_at else "none"
        self._line(
            "invariant",
            number=invariant.number,
            name=invariant.name,
            verdict=verdict,
            promise=invariant.promise,
            advice=invariant.advice,
            rows=rows,
            looked_at=looked_at,
            violations=violations,
        )

    def waits(self, waiting: Waiting) -> None:
        self._line("waiting", rows=waiting.rows, count=waiting.count, advice=waiting.advice)

    def ended(self, outcome: Outcome, *, looked_at: dict[str, int], violations: int) -> None:
        self._line("result", outcome=outcome.name.lower(), looked_at=looked_at, violations=violations)

    def _line(self, kind: str, **facts: Any) -> None:
        self._write(exactjson.encode({"kind": kind, "service": self._who, **facts}).decode())


class Counted:
    """A report that also says afterwards how many violations there were."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.found, self.judged, self.waits = report.found, report.judged, report.waits
        self.violations = 0

    def ended(self, outcome: Outcome, *, looked_at: dict[str, int], violations: int) -> None:
        self.violations = violations
        self._report.ended(outcome, looked_at=looked_at, violations=violations)


_SENTENCES = {
    Outcome.HOLDS: "every invariant holds.",
    Outcome.VIOLATED: "VIOLATED, {count:,} times.",
    Outcome.UNPROVEN: "NOTHING PROVEN, there is nothing in the database to check; place an order first.",
}
