"""What an order's three books must say to each other: the order, its payment, its reservation.

Pure Python over plain values. An order that is still on its way is left to the order service's own check, which knows
for how long it may be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from servicekit.invariants.checker import Invariant

PAID_IS_CAPTURED: Final = Invariant(
    "I3",
    "paid_is_captured_in_full",
    "For every PAID order exactly its total was captured, in its currency, and not all of it was given back.",
    "Do not send the goods, or find out why they were sent unpaid: look at both trails (the order's events, the "
    "payment's record), then settle with POST /api/orders/{id}/payment/ or cancel the order.",
)
ENDED_HOLDS_NOTHING: Final = Invariant(
    "I3",
    "cancelled_holds_no_money",
    "For a CANCELLED or REFUNDED order nothing is set aside or kept: never charged, voided or given back.",
    "A customer's money is kept for nothing: POST /api/payments/{order_id}/void/ returns it, and is safe to repeat.",
)
ENDED_REFUSES: Final = Invariant(
    "I3",
    "cancelled_refuses_a_late_charge",
    "Where a charge for a CANCELLED order may still arrive, the payment service has a tombstone that refuses it.",
    "A late request could still take money: POST /api/payments/{order_id}/void/ leaves the tombstone.",
)
STOCK_FOLLOWS: Final = Invariant(
    "I4",
    "stock_follows_the_order",
    "A PAID order's units are sold, once, as ordered; a waiting one's are held; one's that ended are back.",
    "Units are missing from the shelf or promised twice: for an order that ended DELETE "
    "/api/reservations/{order_id}/?return=true gives them back once; for a PAID one count before sending.",
)
HAS_ITS_ORDER: Final = Invariant(
    "I8",
    "nothing_without_its_order",
    "Whatever is held for an order belongs to an order that is there.",
    "The order was lost (restored from an older backup?), or somebody made this by hand: then DELETE "
    "/api/reservations/{id}/ or POST /api/payments/{order_id}/void/ gives it back.",
)
OF_MONEY: Final = (PAID_IS_CAPTURED, ENDED_HOLDS_NOTHING, ENDED_REFUSES)
OF_STOCK: Final = (STOCK_FOLLOWS,)

_TAKEN: Final = frozenset({"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"})
_HOLDING: Final = frozenset({"PROCESSING", "REQUIRES_ACTION", "AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED"})
_STOCK_OF: Final[Mapping[str, str]] = {
    "PENDING": "HELD",
    "PAID": "CONFIRMED",
    "CANCELLED": "RELEASED",
    "REFUNDED": "RELEASED",
}


@dataclass(frozen=True)
class Order:
    """`items`: quantity by product. `is_waiting` for its customer to pay, with nothing under way. `refund_blocked`: a
    person has to see to its money, and then to the rest.
    """

    id: str
    version: int
    status: str
    step: str
    is_waiting: bool
    total: Decimal
    currency: str
    may_be_charged: bool
    holds_stock: bool
    items: Mapping[str, int]
    refund_blocked: bool = False


@dataclass(frozen=True)
class Payment:
    """`is_waiting`: something is under way for it, and its service's own check knows for how long it may be."""

    id: str
    payment_id: str
    version: int
    status: str
    captured: Decimal
    refunded: Decimal
    currency: str
    void_requested: bool
    is_waiting: bool


@dataclass(frozen=True)
class Reservation:
    """`items`: quantity by product; none in a tombstone."""

    id: str
    status: str
    items: Mapping[str, int]


@dataclass(frozen=True)
class Seen:
    """All that the exports say of one order id."""

    order: Order | None = None
    payment: Payment | None = None
    reservation: Reservation | None = None


@dataclass(frozen=True)
class Scope:
    """What is compared: stock not where another product service is used; `no_strangers` where nobody but the order
    service may have made a payment.
    """

    stock: bool = True
    no_strangers: bool = False


def judge(seen: Seen, scope: Scope) -> Iterator[tuple[Invariant, str]]:
    """Every rule that is broken, with what is wrong."""
    if seen.order is None:
        yield from _strangers(seen, scope)
        return
    yield from _money(seen.order, seen.payment)
    if scope.stock and seen.order.holds_stock:
        yield from _stock(seen.order, seen.reservation)


def _money(order: Order, payment: Payment | None) -> Iterator[tuple[Invariant, str]]:
    is_at_rest = order.step == "closed"
    if order.status == "PAID" and order.step in ("settled", "closed"):
        problem = _not_captured(order, payment)
        if problem:
            yield PAID_IS_CAPTURED, f"it is PAID over {order.total} {order.currency}, but {problem}"
    if order.status in ("CANCELLED", "REFUNDED") and is_at_rest:
        if payment is not None and payment.status in _HOLDING and not payment.is_waiting:
            held = payment.captured - payment.refunded
            yield ENDED_HOLDS_NOTHING, f"it is {order.status}, but its payment is {payment.status} ({held} kept)"
        if order.status == "CANCELLED" and order.may_be_charged and _may_still_charge(payment):
            said = "there is no payment for it" if payment is None else f"its payment is only {payment.status}"
            yield ENDED_REFUSES, f"it is CANCELLED, but {said}: a late charge would be taken"


def _not_captured(order: Order, payment: Payment | None) -> str:
    if payment is None:
        return "there is no payment for it"
    if payment.status not in _TAKEN:
        return f"its payment is {payment.status}"
    if (payment.captured, payment.currency) != (order.total, order.currency):
        return f"captured was {payment.captured} {payment.currency}"
    if payment.status == "REFUNDED" and order.step == "closed" and not payment.is_waiting:
        return "all of it was given back, and the order does not know"
    return ""


def _may_still_charge(payment: Payment | None) -> bool:
    return payment is None or (payment.status == "FAILED" and not payment.void_requested)


def _stock(order: Order, reservation: Reservation | None) -> Iterator[tuple[Invariant, str]]:
    if order.step != "closed" and not order.is_waiting:
        return
    if order.refund_blocked and order.status == "PAID":  # it may be one whose stock was gone when it was paid
        return
    wanted = _STOCK_OF[order.status]
    status = reservation.status if reservation else "not there"
    if status != wanted:
        yield STOCK_FOLLOWS, f"it is {order.status}, so its reservation must be {wanted}; it is {status}"
    elif reservation and wanted != "RELEASED" and reservation.items != order.items:
        items, ordered = dict(reservation.items), dict(order.items)
        yield STOCK_FOLLOWS, f"its reservation is {wanted} for {items}, ordered was {ordered} (quantity by product)"


def _strangers(seen: Seen, scope: Scope) -> Iterator[tuple[Invariant, str]]:
    """The ledger has other doors, so a payment may belong to an order that is not ours; stock is held only for ours."""
    if scope.stock and seen.reservation is not None and seen.reservation.status != "RELEASED":
        yield HAS_ITS_ORDER, f"there is no such order, but a reservation that is {seen.reservation.status}"
    if scope.no_strangers and seen.payment is not None and seen.payment.status in _HOLDING:
        yield HAS_ITS_ORDER, f"there is no such order, but a payment that is {seen.payment.status}"
