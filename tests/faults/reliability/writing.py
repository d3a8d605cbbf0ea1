"""From what came of a run to the text of `docs/reliability.md`. Pure: the same results make the same text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Template
from typing import Final

from tests.faults.reliability.catalogue import Attack, Listed
from tests.faults.reliability.invariants import Checked
from tests.faults.reliability.results import PLANTED, Line, Ran, tests_of

FAILED: Final = "**FAILED**"
NOT_RUN: Final = "not run"


@dataclass(frozen=True)
class Run:
    """A run of the fault tests.

    Attributes:
        commit: With a word on changes that are not in it.
        command: What makes it again.
        soak: What `make chaos` said, empty where it was not run; `soaked` is whether it was clean.
        not_run: What could not be started here; `broken`, what ended without having run all its tests.
    """

    date: str
    commit: str
    machine: str
    command: str
    seconds: float
    lines: Sequence[Line]
    tests: Sequence[Ran]
    invariants: Sequence[Checked]
    catalogue: Sequence[Listed]
    attacks: Sequence[Attack] = ()
    soak: str = ""
    soaked: bool = True
    not_run: Sequence[str] = ()
    broken: Sequence[str] = ()

    @property
    def faults(self) -> list[Line]:
        return [line for line in self.lines if not line.is_planted and not line.is_attack]

    @property
    def planted(self) -> list[Line]:
        return [line for line in self.lines if line.is_planted]

    @property
    def has_passed(self) -> bool:
        return (
            self.soaked
            and not self.broken
            and bool(self.lines)
            and all(line.has_passed for line in self.lines)
            and all(test.has_passed for test in self.tests)
        )


def document(template: str, run: Run) -> str:
    """The whole page."""
    return Template(template).substitute(
        verdict=_verdict(run),
        date=run.date,
        commit=run.commit,
        machine=run.machine,
        command=run.command,
        seconds=f"{run.seconds:,.0f}",
        engines=", ".join(sorted({line.engine for line in run.lines})) or "none",
        seeds=", ".join(sorted({str(line.seed) for line in run.lines if line.seed is not None})) or "none",
        tests=f"{len(run.tests):,}",
        times=f"{sum(line.times for line in run.faults):,}",
        not_run="".join(f"\n| Not run | what needs {name}, which could not be started |" for name in run.not_run),
        invariants=_table(("", "Invariant", "Must be true", "Checked by"), _invariant_rows(run.invariants)),
        catalogue=_table(("Nr.", "Fault", "Put in", "Tests", "Result", "Shown by"), _listed_rows(run)),
        faults=_table(
            ("Nr.", "Fault", "What was done", "Times", "What was looked at", "Result", "Seconds", "Engine"),
            _fault_rows(run.faults),
        ),
        planted=_table(("Bug", "How it was provoked", "Result"), _planted_rows(run.planted)),
        attacks=_table(("Attack", "Tried", "Tests", "What holds", "Result", "Shown by"), _attack_rows(run)),
        soak=f"```\n{run.soak}\n```" if run.soak else "Not run this time.",
        not_covered=_not_covered(run.catalogue),
    )


def _verdict(run: Run) -> str:
    if run.has_passed:
        missing = [str(listed.number) for listed in run.catalogue if not _shown_by(run, listed)]
        return f"What was run has passed. Not run: Nr. {', '.join(missing)}." if missing else "Everything passed."
    failed = [line.fault for line in run.lines if not line.has_passed]
    failed += [f"`{test.file}::{test.name}`" for test in run.tests if not test.has_passed]
    failed += [*run.broken, *([] if run.soaked else ["the soak"])]
    return f"{FAILED}: {'; '.join(dict.fromkeys(failed)) or 'there is no evidence'}."


def _invariant_rows(invariants: Iterable[Checked]) -> Iterator[Sequence[str]]:
    for each in invariants:
        where = "`make audit`" if each.where == "across" else f"{each.where}: `check_invariants`"
        yield each.number, f"`{each.name}`", each.promise, where


def _lines_of(run: Run, listed: Listed) -> list[Line]:
    """Those that name the fault; one that failed before it could belongs to where its test's other lines do."""
    named = {line.function for line in run.faults if listed.number in line.numbers}
    return [
        line
        for line in run.faults
        if listed.number in line.numbers or (not line.has_passed and not line.numbers and line.function in named)
    ]


def _shown_by(run: Run, listed: Listed) -> bool:
    """Whether anything of this run put it in."""
    return bool(_lines_of(run, listed) or tests_of(listed.tests, run.tests))


def _listed_rows(run: Run) -> Iterator[Sequence[str]]:
    for listed in run.catalogue:
        lines, tests = _lines_of(run, listed), tests_of(listed.tests, run.tests)
        files = [line.test.partition("::")[0] for line in lines] + [test.file for test in tests]
        times = sum(line.times for line in lines)
        yield (
            str(listed.number),
            listed.fault,
            f"{times:,} times" if times else "",
            str(len({line.test for line in lines}) + len(tests)),
            _result(listed, lines, tests),
            _links(files),
        )


def _result(listed: Listed, lines: Sequence[Line], tests: Sequence[Ran]) -> str:
    outcomes = [line.has_passed for line in lines] + [test.has_passed for test in tests]
    if not outcomes:
        return f"{NOT_RUN}: needs {listed.elsewhere}" if listed.elsewhere else NOT_RUN
    return "passed" if all(outcomes) else FAILED


def _fault_rows(lines: Iterable[Line]) -> Iterator[Sequence[str]]:
    for line in sorted(lines, key=lambda line: (line.numbers or (99,), line.fault)):
        yield (
            ", ".join(map(str, line.numbers)),
            line.fault,
            line.injected,
            f"{line.times:,}",
            line.checks,
            "passed" if line.has_passed else FAILED,
            f"{line.seconds:.1f}",
            line.engine,
        )


def _attack_rows(run: Run) -> Iterator[Sequence[str]]:
    for each in run.attacks:
        tests = tests_of(each.tests, run.tests)
        names = {f"{test.file}::{test.name}" for test in tests}
        times = sum(line.times for line in run.lines if line.is_attack and line.test in names)
        yield (
            each.attack,
            f"{times:,} times" if times else "",
            str(len(tests)),
            each.holds,
            NOT_RUN if not tests else "passed" if all(test.has_passed for test in tests) else FAILED,
            _links(test.file for test in tests),
        )


def _links(files: Iterable[str]) -> str:
    return ", ".join(f"[{_short(file)}](../{file})" for file in dict.fromkeys(files))


def _planted_rows(lines: Iterable[Line]) -> Iterator[Sequence[str]]:
    for line in lines:
        yield line.fault.removeprefix(PLANTED), line.injected, line.checks if line.has_passed else FAILED


def _not_covered(catalogue: Iterable[Listed]) -> str:
    return "\n".join(f"- Nr. {each.number}: {each.not_covered}." for each in catalogue if each.not_covered)


def _short(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".py")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that ends no cell and no row."""
    return " ".join(text.replace("|", "\\|").split())
