"""What the saga needs from the product service and the payment service: values and protocols, no HTTP.

A "no" is a value; `Unreachable` is an outage, `Unusable` an answer that is none to what was asked. Neither says
anything about what the other side did; `NotLetIn` says that it did nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID


class Unreachable(Exception):
    """No usable answer: not connected, timed out, 5xx or 429. What the other side did is not known."""

    def __init__(self, why: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after_s = retry_after_s


class Unusable(Unreachable):
    """An answer that is none to what was asked: of a lying peer, or of somebody else who lives at its address.

    Asking again will hardly help before a person has seen to it. `status` is the answer's, 0 when not known.
    """

    def __init__(self, why: str, *, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class NotLetIn(Unusable):
    """Our key is not good there, or not for this: it did nothing, and a person has to put the key right."""


@dataclass(frozen=True)
class LineAsked:
    """So many units of a product."""

    product_id: int
    quantity: int


@dataclass(frozen=True)
class LineFound:
    """A product as the product service knows it, and the quantity asked for. `unit_price` in major units."""

    product_id: int
    name: str
    unit_price: Decimal
    quantity: int


@dataclass(frozen=True)
class Reserved:
    """Every line is held for the order."""

    lines: tuple[LineFound, ...]


@dataclass(frozen=True)
class NotReserved:
    """Nothing is held. `reason` is the sentence for the client; `lines` are those that were found."""

    reason: str
    lines: tuple[LineFound, ...]


class Products(Protocol):
    """The product service. Each call is keyed by the order's id and safe to repeat. All raise `Unreachable`."""

    def prices(self, lines: Sequence[LineAsked]) -> Mapping[int, Decimal]:
        """Product id → price of those that there are, before anything is held; empty where reserving holds nothing."""
        ...

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved: ...

    def confirm(self, order_id: UUID) -> bool:
        """Sell what is held; False when nothing is held any more."""
        ...

    def confirm_all(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        """Sell what is held for each of these; returns those of which it is sold. `confirm` tells of the others."""
        ...

    def release(self, order_id: UUID) -> None:
        """Hold nothing for this order, now and later, and take back what was sold: the order has ended."""
        ...


@dataclass(frozen=True)
class ChargeRequest:
    """One attempt to be paid. `key` is the same whenever this attempt is sent."""

    order_id: UUID
    amount: Decimal
    currency: str
    method: str
    token: str
    key: str


@dataclass(frozen=True)
class Paid:
    """The whole amount is captured."""


@dataclass(frozen=True)
class Declined:
    """The payment failed; `retryable` says whether another attempt could end differently."""

    code: str
    retryable: bool


@dataclass(frozen=True)
class Refused:
    """The payment service will not take this payment, however often it is asked."""

    code: str


@dataclass(frozen=True)
class NotKnownYet:
    """The payment service is still finding out."""


@dataclass(frozen=True)
class NextAction:
    """What the payer has to do before a payment can be taken: confirm it at `url`, before `expires_at`."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class ActionRequired:
    """The payer has to confirm the payment first."""

    action: NextAction


ChargeOutcome = Paid | Declined | Refused | NotKnownYet | ActionRequired


@dataclass(frozen=True)
class PaymentSeen:
    """A payment as the payment service shows it: `status` in its own words, `amount` as captured.

    `refunded` is how much of it went back, None where that was not said. `refund_blocked` is why the gateway refuses
    for good to give money back, or to release it; empty where it does not. `next_action` is the payer's, while it is
    waited for, `failure_code` why it has failed.
    """

    status: str
    amount: Decimal
    currency: str
    refunded: Decimal | None = None
    refund_blocked: str = ""
    next_action: NextAction | None = None
    failure_code: str = ""

    def holds(self, amount: Decimal, currency: str) -> bool:
        """Whether exactly this amount is captured and none of it was refunded."""
        return self.status == "COMPLETED" and (self.amount, self.currency) == (amount, currency)

    def is_of(self, total: Decimal) -> bool:
        """Whether it can be the payment of an order that was paid with `total`. A voided one may show 0."""
        return self.amount == total or (self.status == "VOIDED" and self.amount == 0)

    def holds_money(self) -> bool:
        """Whether any of it is captured and not refunded."""
        return self.status in {"COMPLETED", "PARTIALLY_REFUNDED"}

    def gave_all_back(self) -> bool:
        """Whether nothing is held any more; what was never captured ends voided."""
        return self.status in {"REFUNDED", "VOIDED"}

    def has_ended_unpaid(self) -> bool:
        """Whether this attempt has no money, and never will."""
        return self.status in {"FAILED", "VOIDED", "REFUNDED"}


# Why money is kept where the payment service has no way to give it back: by hand, and then to look again.
NO_VOID: Final = "The payment service has no void"


class Payments(Protocol):
    """The payment service. All calls are safe to repeat and raise `Unreachable`."""

    def charge(self, request: ChargeRequest, *, time_left_s: float) -> ChargeOutcome: ...

    def find(self, order_id: UUID) -> PaymentSeen | None:
        """The order's payment, None when there is none."""
        ...

    def glance(self, order_id: UUID) -> PaymentSeen | None:
        """Like `find`, for a reader who would rather have an old answer than wait for more than a second."""
        ...

    def void(self, order_id: UUID) -> PaymentSeen | None:
        """Hold no money for this order, now and later: voids, refunds or remembers to, and says what became of it.

        None: there is no payment, and the payment service knows no void that would refuse a later one.
        """
        ...
