"""Refunding: book it, ask the gateway, record the outcome."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4, uuid5

from payment_service.payments import reads
from payment_service.payments.errors import (
    NotRefundable,
    PaymentHadFailed,
    RefundExceedsCaptured,
    RefundPending,
)
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import GatewayUnavailable, OutcomeUnknown, RefundRequest, decided
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.writes import refunds
from servicekit import money
from servicekit.errors import StaleRow

# Each means that somebody else refunded in between.
MAX_CONFLICT_RETRIES: Final = 5


def refund_payment(
    payment: Payment,
    *,
    uid: UUID,
    amount: Decimal | None,
    reason: str = "",
    refuses_twin: bool = False,
    takes_up: bool = False,
) -> Refund:
    """Return part or all of a captured payment. Safe to repeat with the same `uid`.

    Comes back PENDING when the answer is not known yet: the amount stays booked, the worker finds out and sees to it.
    FAILED is the gateway's refusal, for now or for good; whoever asked decides what comes next.

    Args:
        uid: The refund's id, and through it the key that the gateway sees.
        amount: Major units; None for all that is left.
        refuses_twin: Whether the same amount, still pending, is taken for this very refund asked for again.
        takes_up: Whether a refund with this id that was refused is asked for again, in the same row.

    Raises:
        DoesNotFit: the payment's currency has no such fraction.
        NotRefundable, RefundPending, RefundExceedsCaptured: see `services.refunds.book_refund`.
    """
    if amount is not None:
        money.check(amount, payment.currency)
    booking = refunds.book_refund(
        payment.number, uid=uid, amount=amount, reason=reason, refuses_twin=refuses_twin, takes_up=takes_up
    )
    return _ask(booking.refund, is_promised=booking.is_promised) if booking.is_new else booking.refund


def refund_rest(payment: Payment) -> Refund | None:
    """Return all that is left of a payment for which no money may be held; None when nothing is. Safe to repeat.

    Comes back PENDING after a "not now" too, and FAILED when it waits for a person.
    """
    refund = refunds.book_rest(payment.number)
    return None if refund is None else _ask(refund, is_promised=True)


@dataclass(frozen=True)
class GivenBack:
    """What was given back of a payment: done, not done (with the reason), or None: not known yet."""

    payment: Payment
    amount: Decimal
    is_done: bool | None
    refusal: str = ""
    refusal_code: str = ""


def refund_charge(payment: Payment, *, uid: UUID | None, amount: Decimal | None) -> GivenBack:
    """Return a part of a payment, or whatever is left of it. Safe to repeat, also by several at once.

    Args:
        uid: The refund's id. None where the client has no key for it: the same part asked for again is then a repeat of
            the first request, and nothing more goes back.
        amount: Major units; None for all that is left.

    Raises:
        PaymentHadFailed, NotRefundable: see `refund_all`.
        DoesNotFit, RefundPending, RefundExceedsCaptured: see `refund_payment`.
    """
    if amount is None:
        return refund_all(payment, uid=uid or uuid4())
    if payment.status == Status.FAILED:
        raise PaymentHadFailed
    is_keyless = uid is None
    part = uid or _uid_of_part(payment, amount)
    return _given_back(refund_payment(payment, uid=part, amount=amount, refuses_twin=is_keyless, takes_up=is_keyless))


def refund_all(payment: Payment, *, uid: UUID) -> GivenBack:
    """Return whatever is left of a payment. Safe to repeat, also by several at once.

    Raises:
        PaymentHadFailed: it took nothing.
        NotRefundable: it has taken nothing yet, or never will.
    """
    for _ in range(MAX_CONFLICT_RETRIES):
        if payment.status == Status.FAILED:
            raise PaymentHadFailed
        if payment.status == Status.REFUNDED:
            return _given_back_before(payment, is_done=True)
        if not payment.may_be_refunded:
            raise NotRefundable(status=payment.status)
        if payment.refundable == 0 and not payment.disputed:  # somebody else has booked it all, and has no answer yet
            return _given_back_before(payment, is_done=None)
        try:
            return _given_back(refund_payment(payment, uid=uid, amount=None))
        except (NotRefundable, RefundPending, RefundExceedsCaptured):
            payment = reads.payment_by_number(payment.number)
    raise StaleRow("payment")


def settle_refund(refund: Refund) -> Refund:
    """Find out what became of a claimed refund; where nothing did, ask again under the same key.

    By now nobody waits for the answer, so it counts as promised.
    """
    gateway, request = registry.gateway(refund.payment.gateway), _request(refund)
    try:
        outcome = decided(gateway.find(request)) or gateway.refund(request)
        return refunds.finish_refund(refund, outcome, is_promised=True)
    except (GatewayUnavailable, OutcomeUnknown):
        return refunds.retry_later(refund)
    except StaleRow:
        return refund


def _ask(refund: Refund, *, is_promised: bool) -> Refund:
    try:
        outcome = registry.gateway(refund.payment.gateway).refund(_request(refund))
        return refunds.finish_refund(refund, outcome, is_promised=is_promised)
    except (GatewayUnavailable, OutcomeUnknown):
        return refunds.retry_later(refund)
    except StaleRow:
        return refund


def _given_back(refund: Refund) -> GivenBack:
    payment = reads.payment_by_number(refund.payment_id)
    if refund.status == RefundStatus.FAILED:
        return GivenBack(payment, refund.amount, False, refusal=refund.error_message, refusal_code=refund.failure_code)
    return GivenBack(payment, refund.amount, is_done=True if refund.status == RefundStatus.SUCCEEDED else None)


def _given_back_before(payment: Payment, *, is_done: bool | None) -> GivenBack:
    """What the refund that left nothing was over: a repeat is told what the first request was told."""
    last = [refund for refund in reads.refunds_of(payment) if refund.status != RefundStatus.FAILED]
    return GivenBack(payment, last[-1].amount if last else payment.captured, is_done)


def _uid_of_part(payment: Payment, amount: Decimal) -> UUID:
    """The same for the same part. One that the gateway has refused is asked for again in its own row."""
    return uuid5(payment.uid, f"refund of {money.two_decimals(amount)}")


def _request(refund: Refund) -> RefundRequest:
    return RefundRequest(
        key=refund_key(refund),
        transaction_id=refund.payment.transaction_id or "",
        payment_intent_id=refund.payment.payment_intent_id,
        amount=refund.amount,
        currency=refund.payment.currency,
    )


def refund_key(refund: Refund) -> str:
    """The key of one attempt to refund: the same after a crash, another one once the gateway has said no."""
    return f"refund-{refund.uid}" + (f"-{refund.attempt}" if refund.attempt > 1 else "")
