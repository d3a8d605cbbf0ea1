"""Refunding: book it, ask the gateway, record the outcome."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from payment_service.payments import selectors, states
from payment_service.payments.errors import NotRefundable, Overtaken, PaymentHadFailed, RefundExceedsCaptured
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import GatewayUnavailable, OutcomeUnknown, RefundRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.services import refunds
from payment_service.payments.states import RefundStatus, Status

# Each round means that somebody else refunded in between.
ROUNDS: Final = 5


def refund_payment(payment: Payment, *, uid: UUID, amount: Decimal | None, reason: str = "") -> Refund:
    """Return part or all of a captured payment. Safe to repeat with the same `uid`.

    Comes back PENDING when the answer is not known yet: the amount stays booked, the worker finds out.

    Args:
        uid: The refund's id, and through it the key that the gateway sees.
        amount: Major units; None for all that is left.

    Raises:
        NotRefundable, RefundExceedsCaptured: see `services.refunds.book_refund`.
    """
    booking = refunds.book_refund(payment.number, uid=uid, amount=amount, reason=reason)
    return _ask(booking.refund) if booking.is_new else booking.refund


@dataclass(frozen=True)
class RefundedAll:
    """A payment that all is given back of: done, not done (with the reason), or None: not known yet."""

    payment: Payment
    is_done: bool | None
    refusal: str = ""
    refusal_code: str = ""


def refund_all(payment: Payment, *, uid: UUID) -> RefundedAll:
    """Return whatever is left of a payment. Safe to repeat, also by several at once.

    Raises:
        PaymentHadFailed: it took nothing.
        NotRefundable: it has taken nothing yet, or never will.
    """
    for _ in range(ROUNDS):
        if payment.status == Status.FAILED:
            raise PaymentHadFailed
        if payment.status == Status.REFUNDED:
            return RefundedAll(payment, is_done=True)
        if payment.status not in states.REFUNDABLE:
            raise NotRefundable(status=payment.status)
        if payment.refundable == 0:  # somebody else has booked it all, and has no answer yet
            return RefundedAll(payment, is_done=None)
        try:
            return _all_of(refund_payment(payment, uid=uid, amount=None))
        except (NotRefundable, RefundExceedsCaptured):
            payment = selectors.payment_by_number(payment.number)
    raise Overtaken


def settle_refund(refund: Refund) -> Refund:
    """Find out what became of a claimed refund; where nothing did, ask again under the same key."""
    gateway, request = registry.gateway(refund.payment.gateway), _request(refund)
    try:
        outcome = gateway.find(request) or gateway.refund(request)
        return refunds.finish_refund(refund, outcome)
    except (GatewayUnavailable, OutcomeUnknown):
        return refunds.postpone_refund(refund)
    except Overtaken:
        return refund


def _ask(refund: Refund) -> Refund:
    try:
        outcome = registry.gateway(refund.payment.gateway).refund(_request(refund))
        return refunds.finish_refund(refund, outcome)
    except (GatewayUnavailable, OutcomeUnknown):
        return refunds.postpone_refund(refund)
    except Overtaken:
        return refund


def _all_of(refund: Refund) -> RefundedAll:
    payment = selectors.payment_by_number(refund.payment_id)
    if refund.status == RefundStatus.FAILED:
        return RefundedAll(payment, is_done=False, refusal=refund.error_message, refusal_code=refund.failure_code)
    return RefundedAll(payment, is_done=True if refund.status == RefundStatus.SUCCEEDED else None)


def _request(refund: Refund) -> RefundRequest:
    return RefundRequest(
        key=f"refund-{refund.uid}",
        transaction_id=refund.payment.transaction_id or "",
        payment_intent_id=refund.payment.payment_intent_id,
        amount=refund.amount,
        currency=refund.payment.currency,
    )
