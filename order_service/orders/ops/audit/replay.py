"""What an order must look like after its events: the events folded, one after another, by the two state tables.

Pure Python over plain values; the check compares the result with the row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from order_service.orders import events as published
from order_service.orders import states
from order_service.orders.states import Status, Step

# Event → the status and the step that it brings; None: as before.
BRINGS: Final[Mapping[str, tuple[Status | None, Step | None]]] = {
    published.CREATED: (Status.PENDING, Step.PLACED),
    published.RESERVED: (None, Step.RESERVED),
    published.PAYMENT_RETRIED: (None, Step.RESERVED),
    published.REQUIRES_ACTION: (None, Step.RESERVED),
    published.PAID: (Status.PAID, Step.SETTLED),
    published.CANCELLED: (Status.CANCELLED, Step.COMPENSATING),
    published.REFUND_BEGUN: (None, Step.REFUNDING),
    published.REFUNDED: (Status.REFUNDED, Step.COMPENSATING),
    published.COMPENSATION_BEGUN: (None, Step.COMPENSATING),
    published.CLOSED: (None, Step.CLOSED),
    published.PARTIALLY_REFUNDED: (None, Step.CLOSED),
    published.REFUND_BLOCKED: (None, Step.CLOSED),
    published.POSTPONED: (None, None),
}


@dataclass
class Folded:
    """An order as its events tell it. `total` and `reason` are None where no event has named them.

    `backwards` are moves that the state tables do not have, `unreadable` events that cannot be understood.
    """

    status: Status | None = None
    step: Step | None = None
    attempt: int | None = None
    total: Decimal | None = None
    reason: str | None = None
    is_reserved: bool = False
    paid: Decimal | None = None
    refunded: Decimal = Decimal(0)
    refund_blocked: str = ""
    backwards: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def fold(events: Iterable[tuple[int, str, Mapping[str, Any] | None]], *, pay_later: bool) -> Folded:
    """Fold an order's events, oldest first, each (sequence, type, data).

    Args:
        pay_later: Whether the order waits, or waited, for its customer; then reserving begins no attempt. Where that
            is to confirm a payment, the event that says so has the attempt.
    """
    order = Folded()
    for sequence, kind, data in events:
        where = f"event {sequence} ({kind})"
        if kind not in BRINGS or data is None:
            order.unreadable.append(where)
            continue
        _move(order, kind, where)
        _take_over(order, kind, data, pay_later=pay_later)
    return order


def _move(order: Folded, kind: str, where: str) -> None:
    status, step = BRINGS[kind]
    if order.status is None or order.step is None:
        if kind != published.CREATED:
            order.backwards.append(f"{where} is the first, nothing has created the order")
    elif kind == published.CREATED:
        order.backwards.append(f"{where} creates an order that is {order.status} already")
    elif status is not None and status not in states.TRANSITIONS[order.status]:
        order.backwards.append(f"{where} takes it from {order.status} to {status}")
    elif step is not None and step not in states.NEXT_STEPS[order.step]:
        order.backwards.append(f"{where} takes it from step {order.step} to step {step}")
    order.status = status or order.status
    order.step = step or order.step


def _take_over(order: Folded, kind: str, data: Mapping[str, Any], *, pay_later: bool) -> None:
    """The values that an event names."""
    if kind == published.CREATED:
        order.attempt, order.reason = 0, ""
    if kind == published.RESERVED:
        order.total, order.is_reserved = data.get("total_amount"), True
        order.attempt = 0 if pay_later else 1
    if kind == published.PAID:
        order.paid = data.get("amount")
    if kind == published.CANCELLED:
        order.reason = data.get("reason")
    if kind == published.REFUND_BEGUN:
        order.reason = data.get("reason", order.reason)
    if kind == published.PARTIALLY_REFUNDED:
        order.refunded = data.get("refunded_amount", Decimal(0))
    if kind != published.POSTPONED:
        order.refund_blocked = data.get("reason", "") if kind == published.REFUND_BLOCKED else ""
    if kind in (published.PAYMENT_RETRIED, published.REQUIRES_ACTION, published.PAID, published.CANCELLED):
        order.attempt = data.get("attempt")
