"""What becomes of the rows of a batch: new, in the ledger already, or refused because they contradict something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from payment_service.payments.importing.rows import Problem, Row, problem
from payment_service.payments.importing.seen import Seen
from payment_service.payments.importing.writing import Ids, portions
from payment_service.payments.models import Payment
from servicekit import money


class Known(NamedTuple):
    """A payment of the ledger, as far as a row can be or contradict it."""

    uid: UUID
    order_id: str
    reference: str
    amount: Decimal


@dataclass
class Sorted:
    """The rows of a batch. `problems` are about those that are in none of the lists, and say why some come `later`.

    Attributes:
        later: As new as `new`, but without the number that the file gives them, because another payment has it. They
            are written when the whole file is: the next free number may be that of a row to come.
        present: Were in the ledger before this run.
    """

    new: list[Row] = field(default_factory=list)
    later: list[Row] = field(default_factory=list)
    present: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Sorter:
    """Sorts one batch, by what the ledger and the rows before say now."""

    def __init__(self, rows: Sequence[Row], *, ids: Ids, seen: Seen) -> None:
        self._ids = ids
        references, orders = [row.reference for row in rows], [row.order_id for row in rows]
        numbers = [row.number for row in rows if row.number is not None]
        known = [*_payments("reference", references), *_payments("order_id", orders)]
        self._by_reference = {payment.reference: payment for payment in known}
        self._by_order = {payment.order_id: payment for payment in known}
        self._reference_lines = seen.lines("reference", references)
        self._order_lines = seen.lines("order_id", orders)
        self._numbers = set(seen.lines("number", numbers)) | _taken(numbers)

    def sort(self, rows: Sequence[Row], *, stop: bool) -> Sorted:
        """Sort the rows; with `stop` only those before the first one that is refused, and that one."""
        found = Sorted()
        for row in rows:
            refusal = self._refusal(row)
            if refusal is not None:
                found.problems.append(refusal)
                if stop:
                    break
                continue
            self._reference_lines[row.reference] = self._order_lines[row.order_id] = row.line
            if row.reference in self._by_reference:
                found.present.append(row)
            elif row.number in self._numbers:
                message = "Another payment has this number; this one gets the next free one."
                found.problems.append(problem(row.line, "payment_id", str(row.number), message, is_failure=False))
                found.later.append(row._replace(number=None))
            else:
                found.new.append(row)
                self._numbers.update([row.number] if row.number is not None else [])
        return found

    def _refusal(self, row: Row) -> Problem | None:
        payment = self._by_reference.get(row.reference)
        line = self._line(self._reference_lines.get(row.reference), payment)
        if line not in (None, row.line):
            return problem(row.line, "reference", row.reference, f"Line {line} has this reference already.")
        if payment is not None:
            return self._difference(row, payment)
        payment = self._by_order.get(row.order_id)
        line = self._line(self._order_lines.get(row.order_id), payment)
        if line not in (None, row.line):
            return problem(row.line, "order_id", row.order_id, f"Line {line} has this order; an order has one payment.")
        if payment is not None:
            message = f"This order has a payment in the ledger, {payment.reference}; an order has one payment."
            return problem(row.line, "order_id", row.order_id, message)
        return None

    def _line(self, line: int | None, payment: Known | None) -> int | None:
        """The line of this file that a clash is with, None where the ledger knew it before."""
        return self._ids.line_of(payment.uid) if line is None and payment is not None else line

    def _difference(self, row: Row, payment: Known) -> Problem | None:
        """What has become of a payment since is its own affair, but its order and its amount must be the same."""
        if row.order_id != payment.order_id:
            message = f"The ledger has this reference for another order, {payment.order_id}."
            return problem(row.line, "reference", row.reference, message)
        if row.amount != payment.amount:
            message = f"The ledger has this payment over {money.two_decimals(payment.amount)}."
            return problem(row.line, "amount", str(row.amount), message)
        return None


def _payments(column: str, values: Sequence[str]) -> Iterator[Known]:
    for some in portions(values):
        found = Payment.objects.filter(**{f"{column}__in": some})
        yield from (Known(*payment) for payment in found.values_list("uid", "order_id", "reference", "amount"))


def _taken(numbers: Sequence[int]) -> set[int]:
    return {
        number
        for some in portions(numbers)
        for number in Payment.objects.filter(number__in=some).values_list("number", flat=True)
    }
