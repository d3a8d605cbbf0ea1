"""What an order must look like after its events: the events folded, one after another, by the two state tables.

Pure Python over plain values; the check compares the result with the row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from order_service.orders import states
from order_service.orders.states import Status, Step

CREATED: Final = "order.created"
# Event → the status and the step that it brings; None: as before.
BRINGS: Final[Mapping[str, tuple[Status | None, Step | None]]] = {
    CREATED: (Status.PENDING, Step.PLACED),
    "order.reserved": (None, Step.RESERVED),
    "order.payment_retried": (None, Step.RESERVED),
    "order.paid": (Status.PAID, Step.SETTLED),
    "order.cancelled": (Status.CANCELLED, Step.COMPENSATING),
    "order.refund_begun": (None, Step.REFUNDING),
    "order.refunded": (Status.REFUNDED, Step.COMPENSATING),
    "order.compensation_begun": (None, Step.COMPENSATING),
    "order.closed": (None, Step.CLOSED),
    "order.partially_refunded": (None, Step.CLOSED),
    "order.refund_blocked": (None, Step.CLOSED),
    "order.postponed": (None, None),
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
        pay_later: Whether the order waits for its customer to pay; then reserving begins no attempt.
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
        if kind != CREATED:
            order.backwards.append(f"{where} is the first, nothing has created the order")
    elif kind == CREATED:
        order.backwards.append(f"{where} creates an order that is {order.status} already")
    elif status is not None and status not in states.TRANSITIONS[order.status]:
        order.backwards.append(f"{where} takes it from {order.status} to {status}")
    elif step is not None and step not in states.NEXT_STEPS[order.step]:
        order.backwards.append(f"{where} takes it from step {order.step} to step {step}")
    order.status = status or order.status
    order.step = step or order.step


def _take_over(order: Folded, kind: str, data: Mapping[str, Any], *, pay_later: bool) -> None:
    """The values that an event names."""
    if kind == CREATED:
        order.attempt, order.reason = 0, ""
    if kind == "order.reserved":
        order.total, order.is_reserved = data.get("total_amount"), True
        order.attempt = 0 if pay_later else 1
    if kind == "order.paid":
        order.paid = data.get("amount")
    if kind == "order.cancelled":
        order.reason = data.get("reason")
    if kind == "order.refund_begun":
        order.reason = data.get("reason", order.reason)
    if kind == "order.partially_refunded":
        order.refunded = data.get("refunded_amount", Decimal(0))
    if kind != "order.postponed":
        order.refund_blocked = data.get("reason", "") if kind == "order.refund_blocked" else ""
    if kind in ("order.payment_retried", "order.paid", "order.cancelled"):
        order.attempt = data.get("attempt")
