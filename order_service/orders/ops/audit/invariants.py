"""Checking the order service's books against themselves: each order with its lines and its events."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.db.models.functions import Now

from order_service.orders.models import Order
from order_service.orders.ops.audit import replay
from order_service.orders.states import Status, Step
from servicekit import money
from servicekit.events.invariants import EVENTS_IN_ORDER, StoredEvent, check_order, event_pass, events_by_aggregate
from servicekit.idempotency.invariants import Named, key_pass, uuids_in
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches, snapshot
from servicekit.webhooks import endpoints
from servicekit.webhooks import events as webhooks
from servicekit.webhooks.invariants import passes as webhook_passes

TOTAL_IS_ITS_LINES: Final = Invariant(
    "I3",
    "total_is_the_sum_of_its_lines",
    "An order costs what its lines cost, its lines are what was asked for, and what was paid is exactly that.",
    "The customer paid, or would pay, another amount than the lines say: compare with the order.reserved and "
    "order.paid events, and refund or cancel the order before it is sent.",
)
CHANGE_HAS_ITS_EVENT: Final = Invariant(
    "I5",
    "every_change_has_its_event",
    "An order begins with order.created, and one that is at rest has exactly as many changes as events.",
    "The row was written past the one door that moves an order, or its event was deleted: other systems have not "
    "heard of that change. Look for SQL by hand.",
)
NEVER_BACK: Final = Invariant(
    "I7",
    "status_never_goes_back",
    "Each event moves the order along the tables of statuses and steps.",
    "Two moved the order at once, or one who had lost it wrote all the same: read its events (GET "
    "/api/orders/{id}/events/) and look what is held for it at the peer services.",
)
FOLLOWS_FROM_EVENTS: Final = Invariant(
    "I10",
    "order_follows_from_its_events",
    "Status, step, attempt, total and reason are what the order's events, one after another, lead to.",
    "The row or its trail was changed by hand. The trail is what other systems were told: put right whichever of the "
    "two is wrong, then run this again.",
)
NOTHING_UNFINISHED: Final = Invariant(
    "I6",
    "no_order_is_left_unfinished",
    "No order has something left to do for longer than --quiet-for, and each that has is known to the workers.",
    "No worker runs, or a peer service cannot be reached: start one (manage.py worker) and read the order's "
    "order.postponed events; they say what is in the way.",
)
_INVARIANTS: Final = (
    TOTAL_IS_ITS_LINES,
    CHANGE_HAS_ITS_EVENT,
    EVENTS_IN_ORDER,
    NOTHING_UNFINISHED,
    NEVER_BACK,
    FOLLOWS_FROM_EVENTS,
)


def passes(quiet_for_s: float) -> Sequence[Pass]:
    """Every check of this service."""
    orders = Order.objects.annotate(looked_at=Now()).prefetch_related("lines")
    check_batch = partial(_check_batch, quiet_for=timedelta(seconds=quiet_for_s))
    return (
        Pass("orders", _INVARIANTS, lambda: check_in_batches(orders, check_batch), is_needed=True),
        event_pass({"order": _existing, webhooks.AGGREGATE: endpoints.existing}, quiet_for_s=quiet_for_s),
        key_pass(_named, {"order": _existing}),
        *webhook_passes(quiet_for_s),
    )


def of_order(number: int, *, quiet_for_s: float) -> tuple[Sequence[Invariant], Sequence[Finding]]:
    """The invariants that are about a single order, and what of them it violates."""
    with snapshot():
        found = list(Order.objects.annotate(looked_at=Now()).prefetch_related("lines").filter(pk=number))
        return _INVARIANTS, tuple(_check_batch(found, quiet_for=timedelta(seconds=quiet_for_s)))


def _check_batch(orders: Sequence[Any], *, quiet_for: timedelta) -> Iterator[Finding]:
    stored = events_by_aggregate("order", [str(order.uid) for order in orders])
    for order in orders:
        events = stored.get(str(order.uid), [])
        subject = f"order {order.uid}"
        folded = replay.fold([(each.sequence, each.type, each.data) for each in events], pay_later=order.pay_later)
        yield from check_order(subject, events, version=order.version)
        yield from _changes(subject, order, events)
        yield from (Finding(NEVER_BACK, subject, problem) for problem in folded.backwards)
        yield from (Finding(FOLLOWS_FROM_EVENTS, subject, problem) for problem in _differences(order, folded))
        yield from (Finding(TOTAL_IS_ITS_LINES, subject, problem) for problem in _sums(order, folded))
        yield from (Finding(NOTHING_UNFINISHED, subject, problem) for problem in _left(order, events, quiet_for))


def _changes(subject: str, order: Order, events: Sequence[StoredEvent]) -> Iterator[Finding]:
    if not events:
        yield Finding(CHANGE_HAS_ITS_EVENT, subject, f"it is {order.status} and has no event at all")
    elif events[0].sequence != 1:
        message = f"its first event is number {events[0].sequence} ({events[0].type}); number 1 is missing"
        yield Finding(CHANGE_HAS_ITS_EVENT, subject, message)
    # A claim raises the version without an event, and leaves the order due.
    elif order.due_at is None and events[-1].sequence < order.version:
        message = (
            f"it is at version {order.version}, its last event is number {events[-1].sequence} ({events[-1].type})"
        )
        yield Finding(CHANGE_HAS_ITS_EVENT, subject, message)


def _differences(order: Order, folded: replay.Folded) -> Iterator[str]:
    for unreadable in folded.unreadable:
        yield f"{unreadable} means nothing to this service"
    pairs: list[tuple[str, Any, Any]] = [
        ("status", order.status, folded.status and folded.status.value),
        ("step", order.step, folded.step and folded.step.value),
        ("attempt", order.attempt, folded.attempt),
        ("cancellation_reason", order.cancellation_reason, folded.reason),
        ("refund_blocked", order.refund_blocked, folded.refund_blocked),
    ]
    if order.status == Status.PAID:
        pairs.append(("refunded_amount", order.refunded_amount, folded.refunded))
    if folded.is_reserved:
        pairs.append(("total_amount", order.total_amount, folded.total))
    for name, in_row, in_events in pairs:
        if in_row != in_events:
            yield f"{name} is {in_row!r}, after its events it would be {in_events!r}"
    if (order.paid_at is not None) != (folded.paid is not None):
        yield f"paid_at is {order.paid_at}, its events {'do not ' * (folded.paid is None)}say that it was paid"


def _sums(order: Order, folded: replay.Folded) -> Iterator[str]:
    """A total that no column can hold is kept as zero, in an order that was cancelled for it."""
    lines = order.known_lines()
    total = sum((line.line_total for line in lines), Decimal("0.00"))
    if order.total_amount != total and not (total > money.MAX_AMOUNT and order.total_amount == 0):
        yield f"its total is {order.total_amount}, its lines come to {total}"
    asked = {each["product_id"]: each["quantity"] for each in order.asked}
    found = {line.product_id: line.quantity for line in lines}
    if not found.items() <= asked.items() or (folded.is_reserved and found != asked):
        yield f"its lines are {found}, asked for was {asked} (quantity by product)"
    if folded.paid is not None and folded.paid != order.total_amount:
        yield f"its total is {order.total_amount}, paid was {folded.paid}"


def _left(order: Any, events: Sequence[StoredEvent], quiet_for: timedelta) -> Iterator[str]:
    now: datetime = order.looked_at
    if order.ask_at is not None and order.ask_at < now - quiet_for:
        yield f"there is news of its payment that nobody has looked at for {_seconds(now - order.ask_at)}"
    if order.step == Step.CLOSED:
        if order.due_at is not None:
            yield "it is closed, and a worker is still to take it up"
    elif order.due_at is None:
        yield f"it is {order.status} at step {order.step}, and no worker will ever take it up: due_at is NULL"
    elif order.waits_for_its_customer:
        if order.due_at < now - quiet_for:
            yield f"it should have expired {_seconds(now - order.due_at)} ago"
    else:
        moved = [each.event.created_at for each in events if each.type != "order.postponed"]
        since = now - max(moved, default=order.created_at)
        if since >= quiet_for:
            yield f"it is {order.status} at step {order.step} for {_seconds(since)}"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.0f} s"


def _named(scope: str, body: Mapping[str, Any]) -> Iterable[Named]:
    is_order = isinstance(body.get("id"), str) and "/api/webhooks" not in scope
    return [Named("order", body["id"])] if is_order else []


def _existing(ids: Collection[str]) -> Collection[str]:
    return {str(uid) for uid in Order.objects.filter(uid__in=uuids_in(ids)).values_list("uid", flat=True)}
