"""Local writes: each is one short transaction that moves one order and records its event. No network.

`_move` is the one door through which an order changes. It is a conditional UPDATE on the version that the caller read,
so of two who act on the same order one wins, and the other gets `StaleRow` and has changed nothing. The caller of a
move goes on with the order that it returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from order_service.orders import events, states
from order_service.orders.models import REQUIRES_ACTION, Order, OrderLine
from order_service.orders.ports import LineAsked, LineFound, NextAction
from order_service.orders.states import Status, Step
from servicekit import money
from servicekit.db import clock, fast_sql, rows
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow
from servicekit.events import store
from servicekit.retry import Backoff

# What the line's column holds; a longer name is cut, the product id is what counts.
MAX_NAME_LENGTH: Final = 255

# A worker's waits for a peer that is down: 1, 2, 4 ... seconds. The ceiling bounds how long an order stays unfinished
# after the peer is back.
PEER_DOWN: Final = Backoff(first_s=1.0, longest_s=30.0)
# Seconds after which the payment of an order that has begun to wait for its payer is looked at, whatever is told of it.
FIRST_LOOK_S: Final = 2.0
# And of one that waits for a person to put something right: it is not to fill the log and the trail meanwhile.
PERSON_NEEDED: Final = Backoff(first_s=1.0, longest_s=600.0)


@dataclass(frozen=True)
class NewOrder:
    """An order as a client asks for it. An empty method or token leaves it to the payment service."""

    customer_name: str
    lines: Sequence[LineAsked]
    currency: str
    pay_later: bool
    payment_method: str = ""
    payment_token: str = ""


@in_one_transaction
def place_order(order_id: UUID, new: NewOrder) -> Order:
    """Store an order as it was asked for. The caller holds its lease and must see to it.

    Raises IntegrityError when there is an order with this id.
    """
    asked = [events.ItemAsked(product_id=line.product_id, quantity=line.quantity) for line in new.lines]
    data = events.Created(customer_name=new.customer_name, currency=new.currency, items=asked)
    now = timezone.now()
    order = Order(
        uid=order_id,
        customer_name=new.customer_name,
        currency=new.currency,
        asked=asked,
        pay_later=new.pay_later,
        payment_method=new.payment_method,
        payment_token=new.payment_token,
        unsettled_since=now,
        created_at=now,
        updated_at=now,
        due_at=clock.seconds_from_now(settings.ORDER_LEASE_S),
    )
    fast_sql.insert(order)
    _append(events.CREATED, order, sequence=1, data=data)
    return order


def find_or_place(order_id: UUID, new: NewOrder) -> tuple[Order, bool]:
    """Like `place_order`, and safe to repeat: the order with this id, and whether this call made it."""
    try:
        return place_order(order_id, new), True
    except IntegrityError:
        return Order.objects.get(uid=order_id), False


def record_reservation(order: Order, lines: Sequence[LineFound]) -> Order:
    """The stock is held: freeze lines and total. The first payment attempt begins here, or the wait for a payment."""
    total = total_of(lines)
    begun: dict[str, Any] = {"total_amount": total}
    due_in_s = settings.ORDER_LEASE_S
    if order.pay_later:
        due_in_s = settings.ORDER_EXPIRES_AFTER_S
        # For people; whether it has expired is decided by `due_at` and the database's clock.
        begun["expires_at"] = timezone.now() + timedelta(seconds=due_in_s)
    else:
        begun["attempt"] = 1
    data = _lines_data(lines, total)
    return _move(order, events.RESERVED, data, step=Step.RESERVED, due_in_s=due_in_s, found=lines, **begun)


def begin_attempt(order: Order, *, after: str) -> Order:
    """The last payment attempt ended with `after`: the next one begins."""
    data = events.PaymentRetried(attempt=order.attempt + 1, after=after)
    return _move(order, events.PAYMENT_RETRIED, data, step=Step.RESERVED, attempt=order.attempt + 1)


def await_payer(order: Order, action: NextAction) -> Order:
    """The payer has to confirm the running attempt: the order waits, as one that is paid later does, and expires so."""
    ends = timezone.now() + timedelta(seconds=settings.ORDER_EXPIRES_AFTER_S)
    waits: dict[str, Any] = {
        "pay_later": True,
        "expires_at": ends,
        "payment_status": REQUIRES_ACTION,
        "payment_token": "",
        "action_url": action.url,
        "action_expires_at": min(action.expires_at, ends),
        # What was answered may be an answer that was kept: what came of it meanwhile has been told to nobody who waits.
        "ask_at": clock.seconds_from_now(FIRST_LOOK_S),
    }
    data = events.RequiresAction(attempt=order.attempt)
    return _move(
        order, events.REQUIRES_ACTION, data, step=Step.RESERVED, due_in_s=settings.ORDER_EXPIRES_AFTER_S, **waits
    )


def settle(order: Order) -> Order:
    """The whole total is captured."""
    data = events.Paid(amount=order.total_amount, currency=order.currency, attempt=order.attempt)
    paid: dict[str, Any] = {"paid_at": timezone.now(), "payment_status": "COMPLETED", "payment_token": ""}
    return _move(order, events.PAID, data, step=Step.SETTLED, status=Status.PAID, **paid)


def cancel(order: Order, reason: str, *, cause: str = "", lines: Sequence[LineFound] = ()) -> Order:
    """End the order unsold, and with it commit the intent to compensate.

    Args:
        reason: For the client.
        cause: What it came from, for the audit trail, where the reason does not say.
        lines: What was found of an order whose stock could not be reserved; they make its total.
    """
    data = events.Cancelled(reason=reason, attempt=order.attempt, cause=cause)
    changes: dict[str, Any] = {"cancellation_reason": reason, "payment_token": ""}
    if lines and (total := total_of(lines)) <= money.MAX_AMOUNT:
        changes["total_amount"] = total
    return _move(order, events.CANCELLED, data, step=Step.COMPENSATING, status=Status.CANCELLED, found=lines, **changes)


def begin_refund(order: Order, *, cause: str, reason: str = "") -> Order:
    """A paid order is not wanted any more, or cannot be had: commit the intent to give the money back.

    Has it tried again where the gateway has refused for good before.

    Args:
        reason: For the client, where it was not its own wish.
    """
    data = events.RefundBegun(cause=cause)
    changes: dict[str, Any] = {"refund_blocked": ""}
    if reason:
        data["reason"] = changes["cancellation_reason"] = reason
    return _move(order, events.REFUND_BEGUN, data, step=Step.REFUNDING, **changes)


def record_refund(order: Order, *, payment_status: str) -> Order:
    """All of the money went back; the stock is next."""
    data = events.Refunded(amount=order.total_amount, currency=order.currency)
    changes: dict[str, Any] = {
        "payment_status": payment_status,
        "refunded_amount": order.total_amount,
        "refund_blocked": "",
    }
    return _move(order, events.REFUNDED, data, step=Step.COMPENSATING, status=Status.REFUNDED, **changes)


def record_partial_refund(order: Order, *, refunded: Decimal) -> Order:
    """A part of the money of an order at rest went back; the order stays paid. `refunded` is all that did so far."""
    amount = money.two_decimals(refunded - order.refunded_amount)
    data = events.PartiallyRefunded(amount=amount, refunded_amount=refunded, currency=order.currency)
    changes: dict[str, Any] = {"refunded_amount": refunded, "refund_blocked": ""}
    return _move(order, events.PARTIALLY_REFUNDED, data, step=Step.CLOSED, due_in_s=None, **changes)


def block_refund(order: Order, *, reason: str) -> Order:
    """The gateway refuses for good to give back money that is not to be kept: nobody asks again until a person does."""
    data = events.RefundBlocked(reason=reason)
    return _move(order, events.REFUND_BLOCKED, data, step=Step.CLOSED, due_in_s=None, refund_blocked=reason)


def compensate_again(order: Order, *, cause: str) -> Order:
    """A closed order was found to hold money after all, or is to be rid of what it still holds."""
    return _move(
        order, events.COMPENSATION_BEGUN, events.Caused(cause=cause), step=Step.COMPENSATING, refund_blocked=""
    )


def close(order: Order, *, outcome: str) -> Order:
    """Nothing is left to do for this order. Its client sees nothing of that, so `updated_at` stays."""
    rest: dict[str, Any] = {"refund_blocked": "", "updated_at": order.updated_at}
    return _move(order, events.CLOSED, events.Closed(outcome=outcome), step=Step.CLOSED, due_in_s=None, **rest)


@in_one_transaction
def close_all(paid: Sequence[tuple[Order, str | None]], *, outcome: str) -> None:
    """`close` for many, each with the trace that it belongs to.

    Raises:
        StaleRow: one of them is no longer as the caller read it. Nothing was written.
    """
    orders = [order for order, _ in paid]
    written = {"step": Step.CLOSED.value, "retry_count": 0, "refund_blocked": "", **_AT_REST}
    rows.update_all(orders, written, among={"step": states.steps_before(Step.CLOSED)})
    data = events.Closed(outcome=outcome)
    closed = [store.Appended(str(order.uid), order.version + 1, data, trace) for order, trace in paid]
    store.append_all(events.CLOSED, aggregate_type=events.AGGREGATE, events=closed, is_step=True)


def retry_later(order: Order, *, why: str, backoff: Backoff = PEER_DOWN) -> Order:
    """The present step could not be finished now: leave it to a worker, after a wait that doubles each time."""
    data = events.Postponed(step=order.step, why=why)
    return _move(
        order,
        events.POSTPONED,
        data,
        step=None,
        due_in_s=backoff.wait_s(order.retry_count),
        retry_count=min(order.retry_count + 1, 1000),
    )


def retry_unreadable_later(number: int, *, why: str) -> None:
    """An order that could not be worked on, for a reason that is no outage: leave it alone, longer each time.

    Its trail says why, where the row can be read at all.
    """
    try:
        order = Order.objects.get(pk=number)
        if order.due_at is not None:  # else another worker has finished it, after the lease of this one
            retry_later(order, why=why, backoff=PERSON_NEEDED)
    except StaleRow:
        return  # somebody else has it in hand
    except Exception:  # a row that cannot even be read or moved must not stay in front of the others, either
        count = Order.objects.filter(pk=number).values_list("retry_count", flat=True).get()
        due_at = clock.seconds_from_now(PERSON_NEEDED.wait_s(count))
        due = Order.objects.filter(pk=number, due_at__isnull=False)
        due.update(due_at=due_at, retry_count=min(count + 1, 1000))


def note_payment_status(
    order: Order, payment_status: str, *, refunded: Decimal | None = None, action: NextAction | None = None
) -> Order:
    """Remember what the payment service said last. Moves nothing: the order's own status decides, not this.

    Args:
        refunded: How much went back of what an order that ended unsold had paid; None where that is not to be kept.
        action: What the payer has to do.
    """
    said: dict[str, Any] = {"payment_status": payment_status}
    if action is not None:
        said |= {"action_url": action.url, "action_expires_at": action.expires_at}
    if refunded is not None:
        said["refunded_amount"] = refunded
    if any(getattr(order, name) != value for name, value in said.items()):
        Order.objects.filter(pk=order.pk).update(**said)
        vars(order).update(said)
    return order


@in_one_transaction(durable=True)
def claim(order: Order) -> Order | None:
    """Take over an order whose lease ran out; None when it was moved or claimed meanwhile.

    The new version is the fencing token: the next move of the earlier holder is stale.
    """
    lease = {"version": order.version + 1, "due_at": clock.seconds_from_now(settings.ORDER_LEASE_S)}
    try:
        return rows.update(order, lease, is_due=True)
    except StaleRow:
        return None


def total_of(lines: Sequence[LineFound]) -> Decimal:
    """The price of all lines, major units."""
    return sum((line.unit_price * line.quantity for line in lines), Decimal("0.00"))


_LEASE: Final = -1.0
_AT_REST: Final[Mapping[str, Any]] = {"due_at": None, "unsettled_since": None}


def _move(
    order: Order,
    event: str,
    data: Mapping[str, Any],
    *,
    step: Step | None,
    status: Status | None = None,
    due_in_s: float | None = _LEASE,
    found: Sequence[LineFound] = (),
    **changes: Any,
) -> Order:
    """Move the order as the caller read it, with its event; returns it as it is now.

    Args:
        step: None stays at the present one.
        due_in_s: When a worker should take it up; by default when the caller's lease runs out.
        found: The lines that the product service knew, to be kept with the move.

    Raises:
        StaleRow: it is no longer as the caller read it, or the tables do not allow the move. Nothing was written.
    """
    sources: dict[str, frozenset[Status] | frozenset[Step]] = {}
    now = timezone.now()
    written: dict[str, Any] = {"version": order.version + 1, "updated_at": now, **changes}
    written["unsettled_since"] = _unsettled_since(order, step, now, waits_until=changes.get("expires_at"))
    if step is not None:
        sources["step"] = states.steps_before(step)
        written = {"step": step.value, "retry_count": 0, **written}
    if status is not None:
        sources["status"] = states.sources_of(status)
        written["status"] = status.value
    lease_s = settings.ORDER_LEASE_S if due_in_s == _LEASE else due_in_s
    written["due_at"] = None if lease_s is None else clock.seconds_from_now(lease_s)
    frozen = _lines(order, found)
    moved = _write_move(order, event, data, sources=sources, written=written, frozen=frozen)
    moved.frozen = frozen or order.frozen
    return moved


@in_one_transaction
def _write_move(
    order: Order, event: str, data: Mapping[str, Any], *, sources: Any, written: dict[str, Any], frozen: list[OrderLine]
) -> Order:
    moved = rows.update(order, written, among=sources)
    fast_sql.insert_many(frozen)
    _append(event, order, sequence=moved.version, data=data)
    return moved


def _append(event: str, order: Order, *, sequence: int, data: Mapping[str, Any]) -> None:
    store.append(
        event,
        aggregate_type=events.AGGREGATE,
        aggregate_id=str(order.uid),
        sequence=sequence,
        data=data,
        is_step=event in events.STEPS,
    )


def _unsettled_since(
    order: Order, step: Step | None, now: datetime, *, waits_until: datetime | None
) -> datetime | None:
    """Since when an order that comes to `step` is in the saga's hands: since it was last at rest.

    None at rest. One that waits for its customer will be in them when it expires.
    """
    if step is Step.CLOSED:
        return None
    if waits_until is not None:
        return waits_until
    since = order.unsettled_since
    if since is None and order.step != Step.CLOSED:
        return order.updated_at  # written before there was this column
    return now if since is None else min(since, now)


def _lines(order: Order, found: Sequence[LineFound]) -> list[OrderLine]:
    return [
        OrderLine(
            order_id=order.number,
            position=n,
            product_id=line.product_id,
            quantity=line.quantity,
            name=line.name[:MAX_NAME_LENGTH],
            unit_price=line.unit_price,
        )
        for n, line in enumerate(found, start=1)
    ]


def _lines_data(lines: Sequence[LineFound], total: Decimal) -> events.Reserved:
    items = [events.ItemFound(product_id=n.product_id, quantity=n.quantity, unit_price=n.unit_price) for n in lines]
    return events.Reserved(items=items, total_amount=total)
