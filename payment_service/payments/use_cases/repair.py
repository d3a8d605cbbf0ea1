"""Carrying on with whatever is due: the worker's jobs, and what a request does when it meets something unfinished.

There is no second way of doing things in here; each status has the same function that the live request uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from django.db.models.functions import Now

from payment_service.payments import reads, states
from payment_service.payments.errors import NotBlocked, NotVoidable, VoidInPart
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.use_cases import capturing, charging, refunding
from payment_service.payments.writes import attempts, blocking, closing, moves, refunds
from servicekit.runtime import workers

# One round of a job: enough to be worth the query, few enough to stop soon when asked to.
BATCH: Final = 50


@dataclass(frozen=True)
class Voided:
    """A payment whose void was asked for; `is_done` when nothing is held for its order any more."""

    payment: Payment
    is_done: bool


def void_payment(order_id: str, *, amount: Decimal | None = None) -> Voided:
    """Hold no money for this order, now and later. Safe to repeat.

    An order without a payment gets a tombstone. What is set aside is released, what was taken is refunded; where the
    gateway cannot be asked now, or has not answered yet, the wish is kept and the worker carries it out. What the
    gateway has refused for good is tried again, once for each call.

    Args:
        amount: What the caller believes to be held, if they say so.

    Raises:
        VoidInPart: that is not all of it; nothing was voided.
    """
    payment = attempts.open_voided(order_id)
    if payment is None:
        there = reads.payment_of_order(order_id)
        _refuse_a_part(there, amount)
        payment = _request_void(there)
    # Twice: what is found out about a charge first may then have to be given back.
    payment = advance(advance(payment))
    return Voided(payment, is_done=payment.status not in states.VOIDABLE)


def void_authorization(payment: Payment, *, amount: Decimal | None = None) -> Payment:
    """Release what is set aside for a payment. Safe to repeat.

    Args:
        amount: What the caller believes to be set aside, if they say so.

    Raises:
        NotVoidable: the money was taken, or there never was any.
        VoidInPart: the amount is not all of it; nothing was voided.
    """
    if payment.status == Status.VOIDED:
        return payment
    if payment.status != Status.AUTHORIZED:
        raise NotVoidable(status=payment.status)
    _refuse_a_part(payment, amount)
    return advance(_request_void(payment))


def look_at(payment: Payment) -> Payment:
    """The payment as it is now: a charge or capture whose answer was lost is asked after first. Sends neither."""
    return advance(payment, resend=False) if payment.awaits_answer else payment


def advance(payment: Payment, *, resend: bool = True) -> Payment:
    """Do what is due for a payment, if anything is and nobody else is at it.

    Args:
        resend: Whether a charge or capture that the gateway has not seen is sent again.
    """
    claimed = moves.claim(payment)
    if claimed is None:
        return payment
    if claimed.status == Status.PROCESSING:
        return charging.settle_attempt(claimed, resend=resend)
    if claimed.capture_asked is not None:
        return capturing.settle_capture(claimed, resend=resend)
    return _CARRY_ON.get(Status(claimed.status), moves.rest)(claimed)


def payments_once() -> int:
    """Carry on with a batch of payments that are due, oldest first; return how many."""
    due = list(Payment.objects.filter(due_at__lte=Now()).order_by("due_at").values_list("pk", flat=True)[:BATCH])
    for number in due:
        retry_later = partial(moves.retry_unreadable_later, Payment, number)
        workers.isolated("payments", number, partial(_carry_on, number), retry_later=retry_later)
    return len(due)


def refunds_once() -> int:
    """Find out about a batch of refunds without an answer, oldest first; return how many."""
    due = list(Refund.objects.filter(due_at__lte=Now()).order_by("due_at").values_list("pk", flat=True)[:BATCH])
    for number in due:
        retry_later = partial(moves.retry_unreadable_later, Refund, number)
        workers.isolated("refunds", number, partial(_find_out, number), retry_later=retry_later)
    return len(due)


def _carry_on(number: int) -> None:
    advance(reads.payment_by_number(number))


def _find_out(number: int) -> None:
    claimed = refunds.claim_refund(Refund.objects.select_related("payment").get(pk=number))
    if claimed is not None:
        refunding.settle_refund(claimed)


def _refuse_a_part(payment: Payment, amount: Decimal | None) -> None:
    held = payment.refundable if payment.captured else payment.amount
    if amount not in (None, held) and payment.status in states.VOIDABLE:
        raise VoidInPart(held=held)


def _request_void(payment: Payment) -> Payment:
    """Remember the wish; where it was refused for good before, have it tried again."""
    payment = closing.request_void(payment)
    if not payment.keeps_money:
        return payment
    try:
        payment = blocking.take_up(payment)
    except NotBlocked:  # somebody else has it tried at this moment
        return reads.payment_by_number(payment.number)
    for number in list(Refund.objects.filter(payment=payment, due_at__lte=Now()).values_list("pk", flat=True)):
        _find_out(number)
    return reads.payment_by_number(payment.number)


def _carry_on_authorized(payment: Payment) -> Payment:
    return capturing.release(payment) if payment.void_requested else moves.rest(payment)


def _carry_on_captured(payment: Payment) -> Payment:
    """Give back what is left of a voided payment. What is booked already has a refund of its own under way, and what
    is refused for good waits for a person."""
    if not payment.void_requested or payment.blocked:
        return moves.rest(payment)
    refund = refunding.refund_rest(payment)
    if refund is None or refund.status == RefundStatus.PENDING:
        moves.rest(payment)
    return reads.payment_by_number(payment.number)


_CARRY_ON: Final[Mapping[Status, Callable[[Payment], Payment]]] = {
    Status.REQUIRES_ACTION: charging.settle_action,
    Status.AUTHORIZED: _carry_on_authorized,
    Status.CAPTURED: _carry_on_captured,
    Status.PARTIALLY_REFUNDED: _carry_on_captured,
}
