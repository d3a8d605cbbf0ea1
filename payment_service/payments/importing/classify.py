"""What becomes of the rows of a batch: new payments, attempts at one that is there, present already, or refused.

The rows of one order are its attempts. At most one of them is a payment that took money, whatever order they come in:
the first that took some; what failed before or after it is kept as an attempt, and a second one that took money is
refused, for a person to give back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from payment_service.payments.importing import known
from payment_service.payments.importing.duplicates import Duplicates
from payment_service.payments.importing.known import Known, KnownAttempt
from payment_service.payments.importing.parse_row import Problem, Row, problem
from payment_service.payments.importing.write_batch import GivenBack, Ids, Paid
from payment_service.payments.states import Status
from servicekit import money

# Status → why the money of a row cannot be booked on a payment of the ledger that has it.
_IN_THE_WAY: Final = {
    Status.PENDING: "is about to be charged here",
    Status.PROCESSING: "is being charged here, and the answer is not known yet: start the worker, then import again",
    Status.REQUIRES_ACTION: "waits for its payer to confirm it here: void that, or import again when it has ended",
    Status.AUTHORIZED: "has money set aside for it here: void that, or capture it and give back what the row took",
    Status.VOIDED: "was voided here, so no money may be held for this order: give back what the row took",
}
# Files often say no more than the second.
_SAME_MOMENT: Final = timedelta(seconds=1)


@dataclass
class Classified:
    """The rows of a batch. `problems` are about those that are in none of the lists.

    Attributes:
        new: Become payments.
        deferred: As `new`, but without the number that the file gives them, because another payment has it. They are
            written when the whole file is: the next free number may be that of a row to come.
        attempts: Failed, and the order has a payment, which they do not change.
        paid: Took the money for a payment of the ledger that had failed.
        given_back: Say of a payment of the ledger that its money was given back elsewhere.
        present: Were in the ledger before this run.
        renumbered: How many of `paid` have another number in the file.
    """

    new: list[Row] = field(default_factory=list)
    deferred: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    given_back: list[GivenBack] = field(default_factory=list)
    present: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    renumbered: int = 0

    def add(self, other: "Classified") -> None:
        self.new += other.new
        self.deferred += other.deferred
        self.attempts += other.attempts
        self.paid += other.paid
        self.given_back += other.given_back
        self.present += other.present
        self.problems += other.problems
        self.renumbered += other.renumbered


class _OrderState(NamedTuple):
    """What an order has by now.

    Attributes:
        line: Of the row that this comes from, None where the ledger had it before.
        payment: Of the ledger; None where it is not there yet.
        row: Of this batch, and to become a payment with it.
    """

    took_money: bool
    line: int | None
    payment: Known | None = None
    row: Row | None = None


class Classifier:
    """Classifies one batch, by what the ledger and the rows before say now.

    Args:
        currency: ISO 4217; that of every row.
        dry_run: What was met counts as written.
    """

    def __init__(self, rows: Sequence[Row], *, ids: Ids, currency: str, duplicates: Duplicates, dry_run: bool) -> None:
        self._ids = ids
        self._currency = currency
        self._dry_run = dry_run
        references, orders = [row.reference for row in rows], [row.order_id for row in rows]
        numbers = [row.number for row in rows if row.number is not None]
        attempts = {attempt.reference: attempt for attempt in known.attempts(references)}
        orders += [attempt.order_id for attempt in attempts.values()]
        payments = [*known.payments("reference", references), *known.payments("order_id", orders)]
        self._by_order = {payment.order_id: payment for payment in payments}
        self._by_reference: dict[str, Known | KnownAttempt] = {
            **attempts,
            **{each.reference: each for each in payments},
        }
        self._reference_lines = duplicates.lines("reference", references)
        self._orders = {
            order_id: _OrderState(took_money=False, line=line)
            for order_id, line in duplicates.lines("order_id", orders).items()
        }
        self._orders |= {
            payment.order_id: _OrderState(payment.took_money, ids.line_of(payment.uid), payment) for payment in payments
        }
        for order_id, line in duplicates.lines("paid", orders).items():
            self._orders[order_id] = _OrderState(took_money=True, line=line, payment=self._by_order.get(order_id))
        self._numbers = set(duplicates.lines("number", numbers)) | known.taken_numbers(numbers)

    def classify(self, rows: Sequence[Row], *, stop: bool) -> Classified:
        """Classify the rows; with `stop` only those before the first one that is refused, and that one."""
        found = Classified()
        for row in rows:
            refusal = self._classify_row(row, found)
            if refusal is None:
                self._reference_lines[row.reference] = row.line
                continue
            found.problems.append(refusal)
            if stop:
                break
        return found

    def _classify_row(self, row: Row, found: Classified) -> Problem | None:
        """Add the row to the list that it belongs to, or say why to none."""
        same = self._by_reference.get(row.reference)
        line = self._reference_line(row, same)
        if line not in (None, row.line):
            return problem(row.line, "reference", row.reference, f"Line {line} has this reference already.")
        if same is not None:
            difference = _difference(row, same, self._currency)
            if difference is not None:
                return difference
            if isinstance(same, Known) and row.status is Status.REFUNDED and same.took_money:
                return self._add_refunded(row, same, found)
            if not row.took_money or (isinstance(same, Known) and same.took_money):
                self._add_present(row, same, found)
                return None
        state = self._order_state(row)
        if state is None:
            self._add_new(row, found)
        elif row.took_money:
            return self._add_success(row, state, found)
        elif state.payment is None and state.row is None and not self._dry_run:
            self._add_new(row, found)  # the other one is deferred, and finds this one there
            added = self._orders[row.order_id].row
            self._orders[row.order_id] = state._replace(row=added)
        else:
            found.attempts.append(row)
        return None

    def _order_state(self, row: Row) -> _OrderState | None:
        """What the order has by now, from others than this row, which may have been deferred."""
        state = self._orders.get(row.order_id)
        if state is None or state.line != row.line:
            return state
        payment = state.payment
        return None if payment is None else _OrderState(payment.took_money, self._ids.line_of(payment.uid), payment)

    def _reference_line(self, row: Row, same: Known | KnownAttempt | None) -> int | None:
        """The line of this file that has the reference, None where there is none, or the ledger had it before."""
        line = self._reference_lines.get(row.reference)
        if line is not None or same is None:
            return line
        payment = self._by_order.get(same.order_id)
        return None if payment is None else self._ids.line_of(payment.uid)

    def _add_present(self, row: Row, same: Known | KnownAttempt, found: Classified) -> None:
        found.present.append(row if isinstance(same, Known) else row._replace(number=None))
        if row.took_money:
            self._orders[row.order_id] = _OrderState(True, row.line, self._by_order.get(row.order_id))

    def _add_refunded(self, row: Row, same: Known, found: Classified) -> Problem | None:
        """A row that took the money and gave it back. The ledger must not give it back once more."""
        if same.status is Status.REFUNDED:
            self._add_present(row, same, found)
            return None
        if not same.can_be_refunded_elsewhere:
            return problem(row.line, "refunded", "true", _not_given_back(same))
        found.given_back.append(GivenBack(row, same))
        self._orders[row.order_id] = _OrderState(True, row.line, same)
        return None

    def _add_new(self, row: Row, found: Classified) -> None:
        if row.number in self._numbers:
            found.deferred.append(row._replace(number=None))
            self._orders[row.order_id] = _OrderState(row.took_money, row.line)
            return
        found.new.append(row)
        self._numbers.update([row.number] if row.number is not None else [])
        self._orders[row.order_id] = _OrderState(row.took_money, row.line, row=row)

    def _add_success(self, row: Row, state: _OrderState, found: Classified) -> Problem | None:
        """A row that took the money for an order that has a payment, which took none, or else it is refused."""
        if state.took_money:
            return _second_charge(row, state)
        payment = state.payment
        if payment is not None and (payment.status is not Status.FAILED or payment.void_requested):
            why = _IN_THE_WAY[Status.VOIDED if payment.void_requested else payment.status]
            return problem(
                row.line, "order_id", row.order_id, f"The payment of this order, {payment.reference}, {why}."
            )
        if payment is not None:
            found.paid.append(self._paid(row, payment, found))
        elif state.row is not None:
            self._replace_failed(row, state.row, found)
            return None
        elif self._dry_run:
            found.paid.append(Paid(row, None, row.number))
        else:
            self._add_new(row, found)
            return None
        self._orders[row.order_id] = _OrderState(True, row.line, payment)
        return None

    def _paid(self, row: Row, payment: Known, found: Classified) -> Paid:
        """The payment takes the number of the row that took its money, as long as nobody here can know the old one."""
        if row.number in (None, payment.number):
            return Paid(row, payment, payment.number)
        if payment.is_only_imported and row.number not in self._numbers:
            self._numbers.add(row.number or 0)
            return Paid(row, payment, row.number)
        found.renumbered += 1
        return Paid(row, payment, payment.number)

    def _replace_failed(self, row: Row, failed: Row, found: Classified) -> None:
        """Make the row the payment that one before it in this batch was to become."""
        found.new.remove(failed)
        found.attempts.append(failed)
        if failed.number is not None:
            self._numbers.discard(failed.number)
        if row.number is None or row.number in self._numbers:
            found.renumbered += row.number is not None
            row = row._replace(number=failed.number)
        self._numbers.update([row.number] if row.number is not None else [])
        found.new.append(row)
        self._orders[row.order_id] = _OrderState(True, row.line, row=row)


def _second_charge(row: Row, state: _OrderState) -> Problem:
    if state.line is not None:
        message = f"Line {state.line} took the money for this order already; give back what one of the two took."
        return problem(row.line, "order_id", row.order_id, message)
    reference = state.payment.reference if state.payment is not None else ""
    message = (
        f"This order has a payment in the ledger that took the money, {reference}; give back what one of the two took."
    )
    return problem(row.line, "order_id", row.order_id, message)


def _not_given_back(payment: Known) -> str:
    """Why a refund that was made elsewhere cannot be booked on a payment that is not refunded in full."""
    if not payment.was_taken_elsewhere:
        return "The ledger took this payment here, and has not refunded all of it; refund it here."
    if payment.void_requested or payment.status is Status.CAPTURED:
        return "The ledger has a refund of this payment on its way; see that the money does not go back twice."
    return "The ledger has refunded a part of this payment; see that it does not go back twice, then refund the rest."


def _difference(row: Row, same: Known | KnownAttempt, currency: str) -> Problem | None:
    """What the ledger has otherwise under the row's reference; the first of it."""
    found = next(_differences(row, same, currency), None)
    return None if found is None else problem(row.line, *found)


def _differences(row: Row, same: Known | KnownAttempt, currency: str) -> Iterator[tuple[str, str, str]]:
    """Each as column, value and message.

    What has become of a payment here since is its own affair, but its order and its amount must be the same.
    """
    if row.order_id != same.order_id:
        yield "reference", row.reference, f"The ledger has this reference for another order, {same.order_id}."
    if row.amount != same.amount:
        yield "amount", str(row.amount), f"The ledger has this payment over {money.two_decimals(same.amount)}."
    took_money = isinstance(same, Known) and same.took_money
    if row.took_money and not took_money:
        return  # a later attempt: all that it says is looked at where it is booked
    moments = [same.created_at]
    if isinstance(same, Known):
        if not row.took_money and same.was_charged_here_since:
            return
        if took_money and not row.took_money:
            yield "status", "FAILED", "The ledger has this payment as one that took the money; find out what is right."
        if same.currency != currency:
            yield "currency", currency, f"The ledger has this payment in {same.currency}."
        moments += [same.captured_at] if same.captured_at is not None else []
    if row.method != same.method:
        yield "method", row.method, f"The ledger has this payment by {same.method}."
    if all(abs(row.created_at - moment) >= _SAME_MOMENT for moment in moments):
        yield "created_at", _shown(row.created_at), f"The ledger has this payment at {_shown(moments[-1])} (UTC)."


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
