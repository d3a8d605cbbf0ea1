"""Rows as payments, their refunds and their events: a few statements for a whole batch, in one transaction.

A payment and its event are two rows with the same columns every time, so the values that never differ are prepared
once, and the others as the database takes them.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from payment_service.payments import states
from payment_service.payments.importing.known import GATEWAY, Known, chunks
from payment_service.payments.importing.parse_row import Row
from payment_service.payments.models import NOTHING, FailedAttempt, Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.writes import outside
from servicekit.db import fast_sql as statements
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow
from servicekit.events import store

EVENT: Final = "payment.imported"
REFUND_REASON: Final = "Refunded before the import"
REFUND_REASON_SINCE: Final = "Refunded elsewhere since the import"

# Room for the lines of any file; the other random bits of the id keep runs apart.
_LINE_BITS: Final = 36


class Paid(NamedTuple):
    """A row that took the money for a payment that had failed, which has `number` from then on.

    `payment` None in a dry run: that is not in the ledger either.
    """

    row: Row
    payment: Known | None
    number: int | None


class GivenBack(NamedTuple):
    """A row that says of a payment whose money an import has booked that all of it was given back since."""

    row: Row
    payment: Known


class Ids:
    """The ids of one run: UUIDs (version 7) that rise with the lines of the file.

    So every index on them grows at its end, which is several times faster than everywhere at once, and a payment's id
    tells whether this very run has made it, and from which line.
    """

    def __init__(self, started: datetime) -> None:
        version, variant = 7, 2
        first_half = (int(started.timestamp() * 1000) << 16) | (version << 12) | secrets.randbits(12)
        second_half = (variant << (62 - _LINE_BITS)) | secrets.randbits(62 - _LINE_BITS)
        self._run = (first_half << (64 - _LINE_BITS)) | second_half
        # All that stands in front of the line's hexadecimal digits.
        self._start = str(UUID(int=self._run << _LINE_BITS))[: -_LINE_BITS // 4]

    def of_line(self, line: int) -> str:
        """As text in the usual form; made without a UUID, which would take longer than all else about a row."""
        return f"{self._start}{line:0{_LINE_BITS // 4}x}"

    def line_of(self, uid: UUID) -> int | None:
        """The line whose id this is, None for an id of another run."""
        return uid.int & ((1 << _LINE_BITS) - 1) if uid.int >> _LINE_BITS == self._run else None


# What a row says of a payment, in this order.
_OF_A_ROW: Final = (
    "amount",
    "captured",
    "booked",
    "refunded",
    "method",
    "status",
    "taken",
    "reference",
    "created_at",
    "captured_at",
    "failed_at",
)
# What is written of a new payment; all other columns that must have a value have their default.
_VARYING: Final = ("uid", "order_id", *_OF_A_ROW)
# What an attempt that took the money changes about a payment that an import has written: it reads like one that nothing
# went before from then on, so that neither batches nor files show. `attempt` counts what was asked here, and stays.
_PAID: Final = ("number", *_OF_A_ROW, "currency", "version", "updated_at")


class BatchWriter:
    """Writes the rows of one run."""

    def __init__(self, *, started: datetime, currency: str) -> None:
        self.ids = Ids(started)
        self._event_ids = Ids(started)
        self.currency = currency
        self._started = started
        defaults = Payment(gateway=GATEWAY, currency=currency, updated_at=started)
        fields = [
            field
            for field in Payment._meta.concrete_fields
            if not (field.null or field.primary_key or field.name in _VARYING)
        ]
        self._names = _VARYING + tuple(field.name for field in fields)
        self._constants = tuple(field.get_db_prep_save(getattr(defaults, field.name), connection) for field in fields)

    @in_one_transaction(durable=True)
    def write(
        self,
        rows: Sequence[Row],
        *,
        paid: Sequence[Paid] = (),
        given_back: Sequence[GivenBack] = (),
        attempts: Sequence[Row] = (),
    ) -> None:
        """Book the rows, all or none.

        Args:
            rows: Become payments.
            attempts: Failed, at payments that are in the ledger or among `rows`.

        Raises:
            IntegrityError: at least one of them is in the ledger, or its order or its number is.
            StaleRow: a payment that was paid or given back is no longer as it was read.
        """
        numbered = [row for row in rows if row.number is not None]
        unnumbered = [row for row in rows if row.number is None]
        statements.insert_prepared(Payment, ("number", *self._names), list(self._with_numbers(numbered)))
        if numbered:
            _advance_numbers_past(max(row.number or 0 for row in numbered))
        statements.insert_prepared(Payment, self._names, list(self._prepared(unnumbered)))
        store.append_published(EVENT, aggregate_type="payment", events=[self._event(row) for row in rows])
        self._write_refunds([row for row in rows if row.status is Status.REFUNDED])
        for some in chunks(paid):
            self._pay(some)
        for _, payment in given_back:
            outside.record_refund(payment.number, version=payment.version, reason=REFUND_REASON_SINCE)
        _write_attempts(attempts)

    def _pay(self, paid: Sequence[Paid]) -> None:
        """Book that attempts took the money which those before them did not; the payments get their references."""
        FailedAttempt.objects.filter(reference__in=[each.row.reference for each in paid]).delete()
        known = [(row, payment, number or 0) for row, payment, number in paid if payment is not None]
        self._pay_imported([each for each in known if each[1].is_only_imported])
        for row, payment, _ in known:
            if not payment.is_only_imported:
                outside.record_capture(
                    payment.number,
                    version=payment.version,
                    amount=row.amount,
                    currency=self.currency,
                    method=row.method,
                    gateway=GATEWAY,
                    reference=row.reference,
                    captured_at=row.created_at,
                    refund_reason=REFUND_REASON if row.status is Status.REFUNDED else None,
                )
        _write_attempts(payment for row, payment, _ in known if payment.reference != row.reference)

    def _pay_imported(self, paid: Sequence[tuple[Row, Known, int]]) -> None:
        """For payments that came here as history: they still are, and no news to anybody."""
        changed = statements.update_prepared(
            Payment, written=_PAID, where=("number", "version", "status"), values=list(self._paid(paid))
        )
        if changed != len(paid):
            raise StaleRow("payment")
        if paid:
            _advance_numbers_past(max(number for _, _, number in paid))
        events = [
            self._event(row)._replace(aggregate_id=str(payment.uid), sequence=payment.version + 1)
            for row, payment, _ in paid
        ]
        store.append_published(EVENT, aggregate_type="payment", events=events)
        refunded = [(number, row.amount) for row, _, number in paid if row.status is Status.REFUNDED]
        statements.insert_many([self._refund(number, amount) for number, amount in refunded])

    def _paid(self, paid: Sequence[tuple[Row, Known, int]]) -> Iterator[tuple[Any, ...]]:
        """The values of `_PAID`, and where they are written."""
        moment: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
        nothing, now = str(NOTHING), moment(self._started)
        for row, payment, number in paid:
            amount, created_at = str(row.amount), moment(row.created_at)
            refunded = amount if row.status is Status.REFUNDED else nothing
            yield (
                number,
                amount,
                amount,
                refunded,
                refunded,
                row.method,
                row.status.value,
                states.TAKEN[row.status],
                row.reference,
                created_at,
                created_at,
                None,
                self.currency,
                payment.version + 1,
                now,
                payment.number,
                payment.version,
                Status.FAILED.value,
            )

    def _with_numbers(self, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
        return ((row.number, *values) for row, values in zip(rows, self._prepared(rows), strict=True))

    def _prepared(self, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
        """The values of `_names`. Whole columns of them are the text that every database reads."""
        moment: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
        nothing = str(NOTHING)
        for row in rows:
            amount, created_at, taken = str(row.amount), moment(row.created_at), states.TAKEN[row.status]
            refunded = amount if row.status is Status.REFUNDED else nothing
            yield (
                self.ids.of_line(row.line).replace("-", ""),
                row.order_id,
                amount,
                amount if taken else nothing,
                refunded,
                refunded,
                row.method,
                row.status.value,
                taken,
                row.reference,
                created_at,
                created_at if taken else None,
                None if taken else created_at,
                *self._constants,
            )

    def _event(self, row: Row) -> store.EventData:
        data = {
            "order_id": row.order_id,
            "status": row.status.value,
            "amount": row.amount,
            "captured": row.amount if states.TAKEN[row.status] else NOTHING,
            "refunded": row.amount if row.status is Status.REFUNDED else NOTHING,
            "currency": self.currency,
            "method": row.method,
            "attempt": 1,
            "reference": row.reference,
        }
        return store.EventData(self._event_ids.of_line(row.line), self.ids.of_line(row.line), sequence=1, data=data)

    def _write_refunds(self, rows: Sequence[Row]) -> None:
        """The refund of each refunded payment. When it was, the file does not say."""
        by_uid = {UUID(self.ids.of_line(row.line)): row for row in rows}
        numbers = [pair for some in chunks(list(by_uid)) for pair in _numbers(some)]
        statements.insert_many([self._refund(number, by_uid[uid].amount) for uid, number in numbers])

    def _refund(self, number: int, amount: Decimal) -> Refund:
        return Refund(
            payment_id=number,
            amount=amount,
            reason=REFUND_REASON,
            status=RefundStatus.SUCCEEDED.value,
            created_at=self._started,
            updated_at=self._started,
        )


def _write_attempts(attempts: Iterable[Row | Known]) -> None:
    moment: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
    names = ("reference", "payment", "amount", "method", "created_at")
    values = [
        (each.reference, each.order_id, str(each.amount), each.method, moment(each.created_at)) for each in attempts
    ]
    statements.insert_prepared(FailedAttempt, names, values)


def _numbers(uids: Sequence[UUID]) -> Iterable[tuple[UUID, int]]:
    return Payment.objects.filter(uid__in=uids).values_list("uid", "number")


# Draws one number, because whatever was drawn before is below it.
_ADVANCE_NUMBERS: Final = (
    "SELECT setval(counter, GREATEST(nextval(counter), %s)) "
    "FROM (SELECT pg_get_serial_sequence('payments_payment', 'number')::regclass AS counter) AS its"
)


def _advance_numbers_past(number: int) -> None:
    """Where the database counts in a sequence of its own, it has not seen the numbers that came from the file.

    Never back: a number that somebody has drawn and not committed yet would be drawn again.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_ADVANCE_NUMBERS, [number])
