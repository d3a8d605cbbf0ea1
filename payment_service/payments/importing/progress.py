"""What a person in front of a terminal sees of a run: a bar while it lasts, the first problems and the result after."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from payment_service.payments.importing.csv_reader import Table
from payment_service.payments.importing.parse_row import Problem
from payment_service.payments.importing.run import Summary

# The report has them all.
SHOWN_PROBLEMS: Final = 20


@contextmanager
def progress(table: Table) -> Iterator[Callable[[Summary], None]]:
    """A bar on the terminal while the file is read; nothing where standard error is something else."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[failed]:,} failed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not is_terminal()) as shown:
        task = shown.add_task("Importing", total=table.size_bytes, rows=0, failed=0)
        yield lambda summary: shown.update(
            task, completed=table.position_bytes(), rows=summary.read, failed=summary.failed
        )


def is_terminal() -> bool:
    return sys.stderr.isatty()


class FirstProblems:
    """Keeps as many problems as a person reads, and the number of the others."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._others = 0

    def add(self, problem: Problem) -> None:
        if len(self._lines) < SHOWN_PROBLEMS:
            self._lines.append(_sentence(problem))
        else:
            self._others += 1

    def text(self, *, report: str | None) -> str:
        """A line for each, with its end, and one for those that are not shown. `report` is the file that has all."""
        where = f"all are in {report}" if report else "--report FILE writes down all"
        more = [f"... and {self._others:,} more; {where}."] if self._others else []
        return "".join(f"{line}\n" for line in [*self._lines, *more])


def result(summary: Summary, *, seconds: float, dry_run: bool) -> str:
    """The result in a sentence or two."""
    done = "would be imported" if dry_run else "imported"
    text = (
        f"{summary.read:,} rows read: {summary.imported:,} {done}, {summary.present:,} already there, "
        f"{summary.failed:,} failed; {seconds:.1f} s, {summary.read / max(seconds, 0.001):,.0f} rows/s."
    )
    if summary.attempts:
        text += f" {summary.attempts:,} are further attempts at a payment, because an order has one."
    if summary.given_back:
        text += f" {summary.given_back:,} are refunds of payments that were there already."
    if summary.renumbered:
        text += f" {summary.renumbered:,} got another payment_id, because theirs was taken."
    return f"Dry run, nothing was written. {text}" if dry_run else text


def _sentence(problem: Problem) -> str:
    """`repr`, so that no cell can send control characters to the terminal."""
    cell = f", {problem.column} {problem.value!r}" if problem.column else ""
    return f"line {problem.line}{cell}: {problem.message}"
