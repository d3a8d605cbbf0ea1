"""What is published of orders: each event's name and what its payload holds, as data. Amounts are in major units.

docs/asyncapi/events.yaml says the same to consumers; a test compares the two.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypedDict

AGGREGATE: Final = "order"

CREATED: Final = "order.created"
RESERVED: Final = "order.reserved"
PAYMENT_RETRIED: Final = "order.payment_retried"
REQUIRES_ACTION: Final = "order.requires_action"
PAID: Final = "order.paid"
CANCELLED: Final = "order.cancelled"
REFUND_BEGUN: Final = "order.refund_begun"
REFUNDED: Final = "order.refunded"
PARTIALLY_REFUNDED: Final = "order.partially_refunded"
REFUND_BLOCKED: Final = "order.refund_blocked"
COMPENSATION_BEGUN: Final = "order.compensation_begun"
POSTPONED: Final = "order.postponed"
CLOSED: Final = "order.closed"


# What only leads to one of the others: the log has a line of it at DEBUG alone.
STEPS: Final = frozenset({CREATED, RESERVED, CLOSED})


class ItemAsked(TypedDict):
    product_id: int
    quantity: int


class ItemFound(ItemAsked):
    unit_price: Decimal


class Created(TypedDict):
    customer_name: str
    currency: str
    items: list[ItemAsked]


class Reserved(TypedDict):
    items: list[ItemFound]
    total_amount: Decimal


class PaymentRetried(TypedDict):
    attempt: int
    after: str


class RequiresAction(TypedDict):
    attempt: int


class Paid(TypedDict):
    amount: Decimal
    currency: str
    attempt: int


class Cancelled(TypedDict):
    reason: str
    attempt: int
    cause: str


class Caused(TypedDict):
    cause: str


class RefundBegun(Caused, total=False):
    reason: str


class Refunded(TypedDict):
    amount: Decimal
    currency: str


class PartiallyRefunded(Refunded):
    refunded_amount: Decimal


class RefundBlocked(TypedDict):
    reason: str


class Postponed(TypedDict):
    step: str
    why: str


class Closed(TypedDict):
    outcome: str


# Event → the type of its payload.
PAYLOADS: Final[Mapping[str, type]] = {
    CREATED: Created,
    RESERVED: Reserved,
    PAYMENT_RETRIED: PaymentRetried,
    REQUIRES_ACTION: RequiresAction,
    PAID: Paid,
    CANCELLED: Cancelled,
    REFUND_BEGUN: RefundBegun,
    REFUNDED: Refunded,
    PARTIALLY_REFUNDED: PartiallyRefunded,
    REFUND_BLOCKED: RefundBlocked,
    COMPENSATION_BEGUN: Caused,
    POSTPONED: Postponed,
    CLOSED: Closed,
}
