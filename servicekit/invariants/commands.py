"""The two commands with which each service shows its books: `check_invariants` and `export_books`.

Both only read, but for `check_invariants --record`.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from servicekit import exactjson, progress
from servicekit.invariants import checker, last_check
from servicekit.invariants.checker import Batch, Outcome, Pass, Waiting

# After this long without a fault nothing may be left to do. Longer than the longest wait that is in order: a charge
# that was to be voided is given up after PAYMENT_SETTLE_S (120 s), at a worker's next look (30 s), in its lease (30 s).
QUIET_FOR_S: Final = 180.0
# How many of the ids on standard input are looked up at once.
IDS_AT_ONCE: Final = 400


class CheckCommand(BaseCommand):
    """`manage.py check_invariants`. Subclasses say what is checked."""

    help = (
        "Check the books of this service against themselves: every invariant by name, and each violation with the id "
        "of its row. Only reads (but for --record), in batches, each of one moment, so the service and its workers may "
        "go on meanwhile and nothing that is reported is a change half seen. "
        "Exit status: 0 when every invariant holds, 1 when one is violated, 2 when nothing was proven: the database "
        "is empty, or cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument(
            "--quiet-for",
            type=float,
            default=QUIET_FOR_S,
            metavar="SECONDS",
            help="what is unfinished for longer than this is a violation (default %(default)s); "
            "0: nothing may be unfinished at all",
        )

        parser.add_argument(
            "--record",
            action="store_true",
            help="also keep in the database how many violations there were: /metrics shows it as invariants_violated",
        )

    def handle(self, *_: Any, json: bool, quiet_for: float, record: bool, **__: Any) -> None:
        told = (checker.JsonReport if json else checker.TextReport)(settings.SERVICE_NAME, self.stdout.write)
        report = checker.Counted(told)
        with readable_database():
            outcome = checker.check(_shown(self.passes(quiet_for)), report, waiting=self.waiting)
            if record:
                last_check.record(report.violations)
        if outcome is not Outcome.HOLDS:
            sys.exit(outcome)

    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        """What is checked, in order."""
        raise NotImplementedError

    def waiting(self) -> Iterable[Waiting]:
        """What waits for a person, if anything does."""
        return ()


class BooksCommand(BaseCommand):
    """`manage.py export_books`. Subclasses say what is written."""

    help = (
        "Write the books of this service for the check across all services (`make audit`): one JSON object a line. "
        "Only reads, in batches. Exit status 2 when the database cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only", action="store_true", help="only those whose ids are on standard input, one a line"
        )

    def handle(self, *_: Any, only: bool, **__: Any) -> None:
        with readable_database():
            for some in _by_the_batch(sys.stdin) if only else [None]:
                for line in progress.each(self.books(some), "Exporting", "lines"):
                    self.stdout.write(exactjson.encode(line).decode())

    def books(self, ids: Sequence[str] | None) -> Iterable[Mapping[str, Any]]:
        """The lines of all rows, or of those with these ids."""
        raise NotImplementedError


@contextmanager
def readable_database() -> Iterator[None]:
    """Say what to do where the database cannot be read; whatever was to be proven is not."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and not name.startswith(("file:", ":")) and not Path(name).exists():
        # SQLite would make an empty one, and this is only to read.
        raise CommandError(f"There is no database {name} yet: run manage.py migrate.", returncode=Outcome.UNPROVEN)
    try:
        yield
    except DatabaseError as problem:
        sentence = f"The database cannot be read: {problem}. Is it up, and migrated? (manage.py migrate)"
        raise CommandError(sentence, returncode=Outcome.UNPROVEN) from problem


def _shown(passes: Sequence[Pass]) -> Sequence[Pass]:
    """The same, with what a person sees of them."""

    def batches(of: Pass) -> Iterator[Batch]:
        with progress.counted("Checking", of.rows) as tell:
            for batch in of.batches():
                tell(batch.rows)
                yield batch

    return [replace(each, batches=partial(batches, each)) for each in passes]


def _by_the_batch(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line.strip())
        if len(batch) == IDS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
