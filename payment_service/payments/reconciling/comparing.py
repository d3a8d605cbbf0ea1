"""Matching a gateway's settlements with the ledger's payments, in both directions, by transaction id.

Neither side is ever in memory: the file is read once in batches, and which transactions it had is kept in a scratch
file, against which the ledger's payments are then held.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from types import TracebackType
from typing import Final

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from payment_service.payments import states
from payment_service.payments.models import Payment
from payment_service.payments.reconciling import difference_kinds
from payment_service.payments.reconciling.difference_kinds import Difference
from payment_service.payments.reconciling.settlements import Settlement, Unreadable
from payment_service.payments.reconciling.totals import Totals
from payment_service.payments.states import Status
from servicekit.invariants.snapshot import in_batches

BATCH: Final = 400


@dataclass(frozen=True)
class Span:
    """Which payments the file must have: those of one gateway whose money moved in this span of time."""

    gateway: str
    start: datetime | None = None
    end: datetime | None = None

    def payments(self) -> "QuerySet[Payment]":
        moved_at = Coalesce("captured_at", "authorized_at", "created_at")
        found = Payment.objects.filter(gateway=self.gateway, transaction_id__isnull=False).annotate(moved_at=moved_at)
        if self.start is not None:
            found = found.filter(moved_at__gte=self.start)
        return found if self.end is None else found.filter(moved_at__lt=self.end)


class Comparison:
    """One comparison. `totals` are complete once all differences were taken."""

    def __init__(self, span: Span) -> None:
        self.totals = Totals()
        self._span = span
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.execute("CREATE TABLE file_lines (transaction_id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def __enter__(self) -> "Comparison":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def differences(self, rows: Iterable[Settlement | Unreadable]) -> Iterator[Difference]:
        """Every difference: first those of the file's rows, in its order, then what the file does not have."""
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH)):
            yield from self._of_rows(batch)
        for found in in_batches(self._span.payments(), self._missing):
            yield from found

    def _of_rows(self, rows: Sequence[Settlement | Unreadable]) -> Iterator[Difference]:
        ids = [row.transaction_id for row in rows if row.transaction_id]
        payments = {each.transaction_id: each for each in Payment.objects.filter(transaction_id__in=ids)}
        by_order = self._of_unknown(rows, payments)
        for row in rows:
            earlier = self._remember(row)
            if isinstance(row, Unreadable):
                self.totals.unreadable += 1
                yield difference_kinds.unreadable(row)
                continue
            self.totals.add_settlement(row)
            payment = payments.get(row.transaction_id)
            if earlier is not None:
                yield difference_kinds.duplicate(row, earlier)
            elif payment is None and row.status is Status.FAILED:
                continue  # it took nothing, and the ledger keeps no transaction of it
            elif payment is None or payment.gateway != self._span.gateway:
                yield difference_kinds.only_at_the_gateway(row, payment or by_order.get(row.order_id or ""))
            else:
                yield from _compare(row, payment, self.totals)

    def _of_unknown(
        self, rows: Sequence[Settlement | Unreadable], payments: Mapping[str | None, Payment]
    ) -> Mapping[str, Payment]:
        """The payments of the orders whose transaction the ledger does not know: they say why."""
        unknown = [row for row in rows if isinstance(row, Settlement) and row.transaction_id not in payments]
        orders = [row.order_id for row in unknown if row.order_id]
        return {each.order_id: each for each in Payment.objects.filter(order_id__in=orders)} if orders else {}

    def _remember(self, row: Settlement | Unreadable) -> int | None:
        """Remember the row's transaction; the line on which it was met before, if it was."""
        if not row.transaction_id:
            return None
        line = self._line_of(row.transaction_id)
        if line is None:
            self._scratch.execute("INSERT INTO file_lines VALUES (?, ?)", [row.transaction_id, row.line])
        return line

    def _line_of(self, transaction_id: str | None) -> int | None:
        query = "SELECT line FROM file_lines WHERE transaction_id = ?"
        found: tuple[int] | None = self._scratch.execute(query, [transaction_id]).fetchone()
        return found[0] if found else None

    def _missing(self, payments: Sequence[Payment]) -> list[Difference]:
        for payment in payments:
            self.totals.add_payment(payment)
        missing = [
            difference_kinds.only_in_the_ledger(each) for each in payments if self._line_of(each.transaction_id) is None
        ]
        return missing + [difference_kinds.disputed(each) for each in payments if each.disputed]


def ledger_amount(payment: Payment) -> Decimal:
    """What the file's `amount` is for this payment: what was taken, or else what was set aside."""
    return payment.captured if states.TAKEN[Status(payment.status)] else payment.amount


def _status_at_the_gateway(payment: Payment) -> str:
    """What the gateway must say it is: of what was settled by hand it knows nothing."""
    if payment.status == Status.VOIDED and payment.settled_reason:
        return Status.AUTHORIZED.value
    status = Status(payment.status)
    if payment.refunded_by_hand:
        status = Status.PARTIALLY_REFUNDED if payment.refunded > payment.refunded_by_hand else Status.CAPTURED
    return status.value


def _compare(row: Settlement, payment: Payment, totals: Totals) -> Iterator[Difference]:
    pairs: list[tuple[str, object, object]] = [
        ("amount", row.amount, ledger_amount(payment)),
        ("currency", row.currency, payment.currency),
        ("status", row.status.value, _status_at_the_gateway(payment)),
    ]
    if row.refunded is not None:
        pairs.append(("refunded", row.refunded, payment.refunded - payment.refunded_by_hand))
    if row.order_id is not None:
        pairs.append(("order", row.order_id, payment.order_id))
    wrong = [pair for pair in pairs if pair[1] != pair[2]]
    totals.matched += not wrong
    for name, at_the_gateway, in_the_ledger in wrong:
        yield difference_kinds.wrong(
            name, row, payment, at_the_gateway=str(at_the_gateway), in_the_ledger=str(in_the_ledger)
        )
