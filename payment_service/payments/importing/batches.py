"""Batches of rows into the ledger, one transaction each. Written first, and classified only when that is refused."""

from collections.abc import Iterator, Sequence
from typing import Final

from django.db import IntegrityError

from payment_service.payments.importing import known
from payment_service.payments.importing.classify import Classified, Classifier
from payment_service.payments.importing.duplicates import Duplicates
from payment_service.payments.importing.parse_row import Row, problem
from payment_service.payments.importing.write_batch import BatchWriter
from servicekit.errors import StaleRow

# Each round but the last means that somebody else wrote one of the same payments in between.
MAX_CONFLICT_RETRIES: Final = 3


class BatchImporter:
    """Imports the batches of one run.

    Args:
        dry_run: Nothing is written; what becomes of each row is found out all the same.
        stop: A batch is booked only up to the first row that is refused.
    """

    def __init__(self, writer: BatchWriter, duplicates: Duplicates, *, dry_run: bool, stop: bool) -> None:
        self._writer = writer
        self._duplicates = duplicates
        self._dry_run = dry_run
        self._stop = stop

    def import_batch(self, rows: Sequence[Row]) -> Classified:
        """Import a batch, and say what became of each row."""
        if not self._dry_run and not self._needs_classifying(rows) and self._write(Classified(new=list(rows))):
            return Classified(new=list(rows))
        found = self._classify(rows)
        for _ in range(MAX_CONFLICT_RETRIES):
            if self._dry_run or self._write(found):
                break
            found = self._classify(rows)
        else:
            return self._one_by_one(rows)
        self._remember(found)
        return found

    def deferred(self, *, at_once: int) -> Iterator[list[Row]]:
        """The rows that are to be booked when all others are."""
        return self._duplicates.deferred_rows(at_once=at_once)

    def _needs_classifying(self, rows: Sequence[Row]) -> bool:
        """Whether a row can contradict or follow another without the ledger's unique columns refusing it."""
        has_attempts = len({row.order_id for row in rows}) < len(rows)
        if has_attempts or self._duplicates.may_clash_with_deferred(rows):
            return True
        return any(known.attempts([row.reference for row in rows]))

    def _classify(self, rows: Sequence[Row]) -> Classified:
        writer = self._writer
        classifier = Classifier(
            rows, ids=writer.ids, currency=writer.currency, duplicates=self._duplicates, dry_run=self._dry_run
        )
        return classifier.classify(rows, stop=self._stop)

    def _remember(self, found: Classified) -> None:
        """What the ledger cannot tell about the rows once they are in it, and about those that are not in it."""
        if self._dry_run:
            found.renumbered += len(found.deferred)
            found.new += found.deferred
            self._duplicates.remember(found.new)
        else:
            self._duplicates.defer(found.deferred)
        paid = [each.row._replace(number=each.number) for each in found.paid]
        given_back = [each.row for each in found.given_back]
        attempts = [row._replace(number=None) for row in found.attempts]
        self._duplicates.remember([*found.present, *found.deferred, *paid, *given_back, *attempts])

    def _one_by_one(self, rows: Sequence[Row]) -> Classified:
        """For a batch with a row that contradicts nothing we know of, and that the database still does not take."""
        done = Classified()
        for row in rows:
            found = self._classify([row])
            try:
                self._write_all(found)
            except IntegrityError as refusal:
                found = Classified(problems=[problem(row.line, "", "", f"The database refused it: {refusal}")])
            except StaleRow:
                message = "Somebody else moved the payment of this order at the same moment; import it again."
                found = Classified(problems=[problem(row.line, "", "", message)])
            self._remember(found)
            done.add(found)
            if self._stop and found.problems:
                break
        return done

    def _write(self, found: Classified) -> bool:
        try:
            self._write_all(found)
        except (IntegrityError, StaleRow):
            return False
        return True

    def _write_all(self, found: Classified) -> None:
        self._writer.write(found.new, paid=found.paid, given_back=found.given_back, attempts=found.attempts)
