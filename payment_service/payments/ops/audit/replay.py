"""What a payment must look like after its events: the events folded, one after another, by the table of states.

Pure Python over plain values; the check compares the result with the row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from payment_service.payments.states import (
    BLOCKED_EVENTS,
    DISPUTE_CLOSED,
    DISPUTED,
    EVENTS,
    REFUND_FAILED,
    TAKEN,
    TAKEN_UP,
    TRANSITIONS,
    Status,
)

IMPORTED: Final = "payment.imported"
REFUNDED: Final = "payment.refunded"
# What an event says of a payment, and the row has under the same name.
AMOUNTS: Final = ("amount", "captured", "refunded")
_NOTHING: Final = Decimal(0)
# Events of what waits for a person: they move no payment.
_AT_REST: Final = frozenset({*BLOCKED_EVENTS.values(), TAKEN_UP, DISPUTED, DISPUTE_CLOSED})
# Of which the money of a refund may come back.
_REFUNDED: Final = frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED})


@dataclass
class Folded:
    """A payment as its events tell it. `status` None: nothing was told yet; `data` is what the last event said.

    `backwards` are moves that the table does not have, `unreadable` events that cannot be understood, `refunds` the
    ids of refunds that were told of.
    """

    status: Status | None = None
    is_imported: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    backwards: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    refunds: set[str] = field(default_factory=set)


def ahead_of(status: Status | None) -> frozenset[Status]:
    """Where a payment may be next, after events that led to `status`: some statuses are nobody else's business."""
    found: set[Status] = set()
    open_ones = {Status.PENDING} if status is None else set(TRANSITIONS[status])
    while open_ones:
        each = open_ones.pop()
        if each not in found:
            found.add(each)
            open_ones |= TRANSITIONS[each] if each not in EVENTS else frozenset()
    return frozenset(found)


def fold(events: Iterable[tuple[int, str, Mapping[str, Any] | None]]) -> Folded:
    """Fold a payment's events, oldest first, each (sequence, type, data)."""
    payment = Folded()
    for sequence, kind, data in events:
        where = f"event {sequence} ({kind})"
        status = _status_in(kind, data)
        if status is None or data is None:
            payment.unreadable.append(where)
            continue
        _move(payment, kind, status, where)
        if kind == REFUNDED:
            _refund(payment, data, where)
        if kind == REFUND_FAILED:
            _refund_failed(payment, data, where)
        payment.status, payment.data = status, data
    return payment


def _status_in(kind: str, data: Mapping[str, Any] | None) -> Status | None:
    """The status that an event brings; None where it is not one that this event can bring."""
    said = None if data is None else data.get("status")
    status = next((status for status in Status if status.value == said), None)
    return status if status is not None and kind in (EVENTS.get(status), IMPORTED, REFUND_FAILED, *_AT_REST) else None


def _move(payment: Folded, kind: str, status: Status, where: str) -> None:
    if kind == IMPORTED:
        # What failed may have been paid by a later attempt, in a later row or file.
        is_paid_later = payment.is_imported and payment.status is Status.FAILED and TAKEN[status]
        if payment.status is not None and not is_paid_later:
            payment.backwards.append(f"{where} imports a payment that is {payment.status} already")
        payment.is_imported = True
    elif kind in _AT_REST:
        if status != payment.status:
            payment.backwards.append(f"{where} tells of a payment that is {status}, when it is {payment.status}")
    elif kind == REFUND_FAILED:
        if payment.status not in _REFUNDED:
            payment.backwards.append(f"{where} tells of a refund of a payment that is {payment.status}")
    elif status not in ahead_of(payment.status):
        payment.backwards.append(f"{where} takes it from {payment.status or 'nothing'} to {status}")


def _refund_failed(payment: Folded, data: Mapping[str, Any], where: str) -> None:
    payment.refunds.discard(str(data.get("refund_id")))
    before, now, refund = payment.data.get("refunded", _NOTHING), data.get("refunded"), data.get("refund_amount")
    if now is None or refund is None or before - refund != now:
        payment.unreadable.append(f"{where}: {before} refunded before, {refund} came back, and that left {now},")


def _refund(payment: Folded, data: Mapping[str, Any], where: str) -> None:
    payment.refunds.add(str(data.get("refund_id")))
    before, now, refund = payment.data.get("refunded", _NOTHING), data.get("refunded"), data.get("refund_amount")
    if now is None or refund is None or before + refund != now:
        payment.unreadable.append(f"{where}: {before} refunded before, {refund} now, and that came to {now},")
