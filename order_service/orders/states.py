"""The order's two state tables, as data: what its client sees (`Status`), and where the saga stands (`Step`).

Pure Python. Tests walk every pair of both tables.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final


class Status(str, Enum):
    """What the client sees."""

    PENDING = "PENDING"  # placed; stock and money are being seen to, or waited for
    PAID = "PAID"  # the whole total is captured
    CANCELLED = "CANCELLED"  # ended without a sale, with a reason
    REFUNDED = "REFUNDED"  # was paid, and all of it was given back

    def __str__(self) -> str:
        return self.value


TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.PAID, Status.CANCELLED}),
    Status.PAID: frozenset({Status.REFUNDED}),
    Status.CANCELLED: frozenset(),
    Status.REFUNDED: frozenset(),
}


class Step(str, Enum):
    """The saga's recovery point: what has been committed, and so the next step of any process that takes it up."""

    PLACED = "placed"  # stored as asked. Next: reserve the stock
    RESERVED = "reserved"  # stock held, lines and total frozen. Next: take the payment, or wait for it or its payer
    SETTLED = "settled"  # paid. Next: confirm the reservation
    REFUNDING = "refunding"  # paid and unwanted. Next: give the money back
    COMPENSATING = "compensating"  # cancelled or refunded. Next: hold no money and no stock for it
    CLOSED = "closed"  # nothing is left to do, unless by a person (`refund_blocked`)

    def __str__(self) -> str:
        return self.value


NEXT_STEPS: Final[Mapping[Step, frozenset[Step]]] = {
    Step.PLACED: frozenset({Step.RESERVED, Step.COMPENSATING}),
    # Again: the next payment attempt, or the payer has to confirm the present one.
    Step.RESERVED: frozenset({Step.RESERVED, Step.SETTLED, Step.COMPENSATING}),
    Step.SETTLED: frozenset({Step.CLOSED, Step.REFUNDING, Step.COMPENSATING}),
    Step.REFUNDING: frozenset({Step.COMPENSATING, Step.CLOSED}),  # the latter: the money will not go back by itself
    Step.COMPENSATING: frozenset({Step.CLOSED}),
    # Cancelled or refunded later on; or told of what became of its money meanwhile.
    Step.CLOSED: frozenset({Step.REFUNDING, Step.COMPENSATING, Step.CLOSED}),
}


@cache
def sources_of(status: Status) -> frozenset[Status]:
    """The statuses from which an order may come to `status`."""
    return frozenset(source for source, targets in TRANSITIONS.items() if status in targets)


@cache
def steps_before(step: Step) -> frozenset[Step]:
    """The steps from which the saga may come to `step`."""
    return frozenset(source for source, targets in NEXT_STEPS.items() if step in targets)


# Why an order was cancelled, as its client reads it. The first three are seed 002's sentences.
PAYMENT_FAILED: Final = "Payment failed"
PRODUCT_NOT_FOUND: Final = "Product {product_id} not found"
PRODUCT_OUT_OF_STOCK: Final = "Product {product_id} is out of stock"
PRODUCT_SERVICE_UNAVAILABLE: Final = "Product service unavailable"
PRODUCT_SERVICE_UNUSABLE: Final = "Product service gave no usable answer"
PRICE_HAS_DECIMALS: Final = "Product {product_id} costs {price}, and {currency} has no decimals"
NOTHING_TO_PAY: Final = "Order total must be positive"
STOCK_NOT_HELD: Final = "Stock could not be reserved"
TOTAL_TOO_LARGE: Final = "Order total is too large"
NOT_PAID_IN_TIME: Final = "Payment not received in time"
REFUNDED: Final = "Order was refunded"
CANCELLED_ON_REQUEST: Final = "Cancelled on request"
