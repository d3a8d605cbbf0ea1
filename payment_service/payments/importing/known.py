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
_QUERY_SIZE: Final = 500
# The money was taken elsewhere and no gateway here has heard of it: what happens to it from now on is only booked.
GATEWAY: Final = "direct"
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
    "captured_at",
    "currency",
    "booked",
    "gateway",
    "transaction_id",
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
    captured_at: datetime | None
    currency: str
    booked: Decimal
    gateway: str
    transaction_id: str | None

    @property
    def took_money(self) -> bool:
        return states.TAKEN[self.status] is True

    @property
    def is_only_imported(self) -> bool:
        """Whether an import has written it and nobody has touched it since. No other ids are of this version."""
        return self.version == 1 and self.uid.version == 7

    @property
    def was_taken_elsewhere(self) -> bool:
        """Whether an import has booked its money: every gateway here gives a charge an id."""
        return self.took_money and self.gateway == GATEWAY and self.transaction_id is None

    @property
    def can_be_refunded_elsewhere(self) -> bool:
        """Whether none of its money is here, went back, or is about to."""
        untouched = self.status is Status.CAPTURED and self.booked == 0 and not self.void_requested
        return untouched and self.was_taken_elsewhere

    @property
    def was_charged_here_since(self) -> bool:
        """Whether another attempt than the one that failed elsewhere decides what it says."""
        return self.attempt > 1 and not self.was_taken_elsewhere


class KnownAttempt(NamedTuple):
    """An attempt that failed, at a payment of the ledger."""

    order_id: str
    reference: str
    amount: Decimal
    method: str
    created_at: datetime


def payments(column: str, values: Sequence[str]) -> Iterator[Known]:
    """Those that have one of the values in a column."""
    for some in chunks(values):
        for found in Payment.objects.filter(**{f"{column}__in": some}).values_list(*_COLUMNS):
            payment = Known(*found)
            yield payment._replace(status=Status(payment.status))


def attempts(references: Sequence[str]) -> Iterator[KnownAttempt]:
    """Those that have one of the references. Costs next to nothing while there are none at all."""
    if not FailedAttempt.objects.exists():
        return
    for some in chunks(references):
        for attempt in FailedAttempt.objects.filter(reference__in=some):
            yield KnownAttempt(
                attempt.payment_id, attempt.reference, attempt.amount, attempt.method, attempt.created_at
            )


def taken_numbers(numbers: Sequence[int]) -> set[int]:
    """Those that a payment has."""
    return {
        number
        for some in chunks(numbers)
        for number in Payment.objects.filter(number__in=some).values_list("number", flat=True)
    }


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in chunks that fit into one query."""
    return (values[first : first + _QUERY_SIZE] for first in range(0, len(values), _QUERY_SIZE))
