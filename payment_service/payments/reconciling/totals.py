"""What both sides come to, by currency."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from payment_service.payments import states
from payment_service.payments.models import Payment
from payment_service.payments.reconciling.settlements import Settlement
from payment_service.payments.states import Status

_NOTHING: Final = Decimal("0.00")


@dataclass
class Side:
    """One side in one currency: how many transactions, what they took and gave back, in major units."""

    transactions: int = 0
    taken: Decimal = _NOTHING
    refunded: Decimal = _NOTHING

    @property
    def kept(self) -> Decimal:
        return self.taken - self.refunded


@dataclass
class Totals:
    """All of it. A refunded amount that the file does not tell counts as all of it for REFUNDED, as none otherwise."""

    file: defaultdict[str, Side] = field(default_factory=lambda: defaultdict(Side))
    ledger: defaultdict[str, Side] = field(default_factory=lambda: defaultdict(Side))
    differences: Counter[str] = field(default_factory=Counter)
    matched: int = 0
    unreadable: int = 0

    @property
    def currencies(self) -> list[str]:
        return sorted({*self.file, *self.ledger})

    @property
    def compared(self) -> int:
        """How many rows and payments there were on both sides together."""
        sides = [*self.file.values(), *self.ledger.values()]
        return sum(side.transactions for side in sides) + self.unreadable

    def add_settlement(self, row: Settlement) -> None:
        side = self.file[row.currency]
        side.transactions += 1
        if states.TAKEN[row.status]:
            side.taken += row.amount
            untold = row.amount if row.status is Status.REFUNDED else _NOTHING
            side.refunded += untold if row.refunded is None else row.refunded

    def add_payment(self, payment: Payment) -> None:
        side = self.ledger[payment.currency]
        side.transactions += 1
        side.taken += payment.captured
        side.refunded += payment.refunded - payment.refunded_by_hand
