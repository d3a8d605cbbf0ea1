"""What the ledger has under the orders, references and numbers of a batch."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from payment_service.payments import states
from payment_service.payments.models import FailedAttempt, Payment
from payment_service.payments.states import Status

# Every database takes that many parameters in one query.
_ASKED_AT_ONCE: Final = 500
_COLUMNS: Final = (
    "number",
    "uid",
    "order_id",
    "reference",
    "amount",
    "method",
    "status",
    "void_requested",
    "attempt",
    "version",
    "created_at",
)

T = TypeVar("T")


class Known(NamedTuple):
    """A payment of the ledger."""

    number: int
    uid: UUID
    order_id: str
    reference: str
    amount: Decimal
    method: str
    status: Status
    void_requested: bool
    attempt: int
    version: int
    created_at: datetime

    @property
    def took_money(self) -> bool:
        return states.TAKEN[self.status] is True

    @property
    def is_only_imported(self) -> bool:
        """Whether an import has written it and nobody has touched it since. No other ids are of this version."""
        return self.version == 1 and self.uid.version == 7


class KnownAttempt(NamedTuple):
    """An attempt that failed, at a payment of the ledger."""

    order_id: str
    reference: str
    amount: Decimal


def payments(column: str, values: Sequence[str]) -> Iterator[Known]:
    """Those that have one of the values in a column."""
    for some in portions(values):
        for found in Payment.objects.filter(**{f"{column}__in": some}).values_list(*_COLUMNS):
            payment = Known(*found)
            yield payment._replace(status=Status(payment.status))


def attempts(references: Sequence[str]) -> Iterator[KnownAttempt]:
    """Those that have one of the references. Costs next to nothing while there are none at all."""
    if not FailedAttempt.objects.exists():
        return
    for some in portions(references):
        for attempt in FailedAttempt.objects.filter(reference__in=some):
            yield KnownAttempt(attempt.payment_id, attempt.reference, attempt.amount)


def taken_numbers(numbers: Sequence[int]) -> set[int]:
    """Those that a payment has."""
    return {
        number
        for some in portions(numbers)
        for number in Payment.objects.filter(number__in=some).values_list("number", flat=True)
    }


def portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in portions that fit into one query."""
    return (values[first : first + _ASKED_AT_ONCE] for first in range(0, len(values), _ASKED_AT_ONCE))
