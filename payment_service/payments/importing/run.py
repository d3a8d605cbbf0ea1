"""One run: batch after batch from the file into the ledger, and what came of it."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from payment_service.payments.importing.batches import BatchImporter
from payment_service.payments.importing.classify import Classified
from payment_service.payments.importing.csv_reader import Record, UnusableFile
from payment_service.payments.importing.parse_row import Parser, Problem, Row

# Rows in one transaction. More are hardly faster, and whoever else writes to the ledger waits for the whole of one.
BATCH: Final = 2000


@dataclass
class Summary:
    """How many rows there were, and what became of them.

    Attributes:
        attempts: How many of those imported are no payment of their own, but attempts at one.
        given_back: How many of those imported are refunds of payments that were there already.
        renumbered: How many have another number in the ledger than in the file.
    """

    imported: int = 0
    present: int = 0
    failed: int = 0
    attempts: int = 0
    given_back: int = 0
    renumbered: int = 0

    @property
    def read(self) -> int:
        return self.imported + self.present + self.failed


@dataclass
class _Batch:
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0

    def add(self, parsed: Row | list[Problem]) -> None:
        self.size += 1
        if isinstance(parsed, Row):
            self.rows.append(parsed)
        else:
            self.problems += parsed


class Run:
    """Carries records into the ledger. `summary` is true at any time: it counts what is committed.

    Args:
        stop: The first row that fails is the last one that is looked at; those before it are imported.
        on_problem: Are called with each problem, in the file's order.
    """

    def __init__(
        self,
        parser: Parser,
        importer: BatchImporter,
        *,
        stop: bool,
        on_problem: Sequence[Callable[[Problem], None]],
        batch: int = BATCH,
    ) -> None:
        self.summary = Summary()
        self._parser = parser
        self._importer = importer
        self._stop = stop
        self._on_problem = on_problem
        self._batch = batch

    def import_records(self, records: Iterator[Record]) -> Iterator[Summary]:
        """Work through the file; yields after each batch. Safe to repeat, whatever an earlier run left behind."""
        for batch in self._batches(records):
            self._import(batch)
            yield self.summary
            if self._stop and self.summary.failed:
                break
        for rows in self._importer.deferred(at_once=self._batch):
            found = self._import(_Batch(rows))
            self.summary.renumbered += len(found.new) + len(found.paid)
            yield self.summary

    def _batches(self, records: Iterator[Record]) -> Iterator[_Batch]:
        batch, end = _Batch(), None
        try:
            for record in records:
                batch.add(self._parser.parse(record))
                if batch.size >= self._batch or (self._stop and batch.problems):
                    yield batch
                    batch = _Batch()
        except UnusableFile as problem:  # what was read before that counts
            end = problem
        if batch.size:
            yield batch
        if end is not None:
            raise end

    def _import(self, batch: _Batch) -> Classified:
        with _uninterrupted():
            return self._import_and_count(batch)

    def _import_and_count(self, batch: _Batch) -> Classified:
        found = self._importer.import_batch(batch.rows)
        problems = sorted([*found.problems, *batch.problems], key=lambda problem: problem.line)
        failed_lines = list(dict.fromkeys(problem.line for problem in problems))
        if self._stop and failed_lines:
            failed_lines = failed_lines[:1]
            problems = [problem for problem in problems if problem.line <= failed_lines[0]]
        attempts = len(found.attempts) + len(found.paid)
        self.summary.imported += len(found.new) + attempts + len(found.given_back)
        self.summary.attempts += attempts
        self.summary.given_back += len(found.given_back)
        self.summary.present += len(found.present)
        self.summary.failed += len(failed_lines)
        self.summary.renumbered += found.renumbered
        for problem in problems:
            for on_problem in self._on_problem:
                on_problem(problem)
        return found


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until what was committed is counted, too."""
    asked: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if asked:
        signal.raise_signal(signal.SIGINT)
