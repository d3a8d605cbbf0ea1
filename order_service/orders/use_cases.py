"""What a client can ask of an order: place, show, cancel, look again at its payment."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from order_service.orders import payment_hints, reads, saga, states, writes
from order_service.orders.errors import NotCancellable, OrderBusy, PaymentServiceUnavailable
from order_service.orders.models import Order
from order_service.orders.payment_hints import News
from order_service.orders.ports import NO_VOID, PaymentSeen, Unreachable
from order_service.orders.states import Status, Step
from order_service.orders.writes import NewOrder
from servicekit.errors import StaleRow

# Each loss means that somebody else moved the order, and an order has only a handful of moves in it.
MAX_CONFLICT_RETRIES: Final = 8


def place_order(order_id: UUID, new: NewOrder, run: saga.Run) -> Order:
    """Store the order and take it as far as it goes. Safe to repeat with the same id.

    The result is PAID, CANCELLED, PENDING with `pay_later` (to be paid, or its payment confirmed), or PENDING when
    a worker has taken it over because this run outlived its lease.
    """
    order, placed = writes.find_or_place(order_id, new)
    if not placed and order.status == Status.PENDING and not order.expires_at:
        claimed = writes.claim(order)
        if claimed is None:
            raise OrderBusy
        order = claimed
    return saga.advance(order, run.starting_now())


def show_order(reference: str, run: saga.Run, *, live: bool = True) -> Order:
    """The order with its payment's live status; with the last one known when that cannot be had within a second.

    With `live` off the payment service is not asked, for readers whom it is waiting for itself.
    """
    order = reads.get_order(reference)
    if not live or not order.may_be_charged:
        return order
    try:
        seen = run.payments.glance(order.uid)
    except Unreachable:
        return order
    if seen is not None:
        # Only shown, not stored: an amount is stored together with its event (`writes.record_partial_refund`).
        order.refunded_amount = order.refunded_amount if seen.refunded is None else seen.refunded
        if order.refund_blocked != NO_VOID or seen.gave_all_back():  # which such a service does not say by itself
            order.refund_blocked = seen.refund_blocked
    return writes.note_payment_status(order, seen.status if seen else "", action=seen.next_action if seen else None)


def cancel_order(reference: str, run: saga.Run, *, again: bool = False) -> Order:
    """Cancel a pending order, refund a paid one. The intent is committed first, so what cannot be reached follows.

    What the gateway has refused for good to give back is tried once more.

    Args:
        again: The same request may have done it before, and died before it could say so.

    Raises NotCancellable: it is cancelled or refunded already.
    """
    for _ in range(MAX_CONFLICT_RETRIES):
        order = reads.get_order(reference)
        if again and _was_cancelled_on_request(order):
            return order
        try:
            order = _begin_to_cancel(order)
        except StaleRow:
            continue
        return saga.advance(order, run.starting_now())
    raise OrderBusy


def look_again(reference: str, run: saga.Run) -> Order:
    """Ask the payment service what became of this order's payment, and settle the order from that answer alone.

    Raises PaymentServiceUnavailable: nothing was changed.
    """
    for _ in range(MAX_CONFLICT_RETRIES):
        order = reads.get_order(reference)
        try:
            seen = run.payments.find(order.uid)
        except Unreachable as outage:
            raise PaymentServiceUnavailable from outage
        if seen is None:
            return order
        if order.status == Status.PAID and not seen.is_of(order.total_amount):
            raise PaymentServiceUnavailable  # whosever payment that is, this order was not paid with it
        try:
            return _conclude(order, seen, run)
        except StaleRow:
            continue
    raise OrderBusy


def _begin_to_cancel(order: Order) -> Order:
    if order.status == Status.PENDING:
        return writes.cancel(order, states.CANCELLED_ON_REQUEST)
    if order.status == Status.PAID:
        return order if order.step == Step.REFUNDING else writes.begin_refund(order, cause=states.CANCELLED_ON_REQUEST)
    if order.refund_blocked and order.step == Step.CLOSED:
        return writes.compensate_again(order, cause=states.CANCELLED_ON_REQUEST)
    raise NotCancellable(status=order.status)


def _was_cancelled_on_request(order: Order) -> bool:
    return order.status == Status.REFUNDED or order.cancellation_reason == states.CANCELLED_ON_REQUEST


def _conclude(order: Order, seen: PaymentSeen, run: saga.Run) -> Order:
    """Move the order to where its payment is, if it is not there yet."""
    writes.note_payment_status(order, seen.status, action=seen.next_action)
    if (
        order.status == Status.PENDING
        and order.step == Step.RESERVED
        and seen.holds(order.total_amount, order.currency)
    ):
        order = writes.settle(order)
    elif order.waits_for_its_payer and seen.has_ended_unpaid():
        order = saga.end_unpaid(order, seen)
    elif order.status == Status.PAID and seen.gave_all_back():
        order = writes.record_refund(order, payment_status=seen.status)
    elif (
        order.status == Status.CANCELLED
        and order.step == Step.CLOSED
        and seen.holds_money()
        and not seen.refund_blocked
    ):
        order = writes.compensate_again(order, cause=f"payment is {seen.status}")
    else:
        return _take_note(order, seen)
    return saga.advance(order, run.starting_now())


def _take_note(order: Order, seen: PaymentSeen) -> Order:
    """Remember what became of the money of an order that it takes no further: what is kept, and what went back."""
    refunded = seen.refunded or Decimal(0)
    is_news = order.status == Status.PAID and refunded > order.refunded_amount
    if order.step != Step.CLOSED:
        if is_news and order.step != Step.REFUNDING:  # to be asked about again at rest
            payment_hints.note(order.uid, News.GIVEN_BACK)
        return order
    if is_news:
        order = writes.record_partial_refund(order, refunded=refunded)
    if seen.refund_blocked and seen.refund_blocked != order.refund_blocked:
        return writes.block_refund(order, reason=seen.refund_blocked)
    if order.refund_blocked and order.status == Status.CANCELLED and seen.gave_all_back():
        writes.note_payment_status(order, seen.status, refunded=seen.refunded)
        return writes.close(order, outcome="compensated")
    return order
