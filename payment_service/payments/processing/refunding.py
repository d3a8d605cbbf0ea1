"""Refunding: book it, ask the gateway, record the outcome."""

from decimal import Decimal
from uuid import UUID

from payment_service.payments.errors import Overtaken
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import GatewayUnavailable, OutcomeUnknown, RefundRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.services import refunds


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


def _request(refund: Refund) -> RefundRequest:
    return RefundRequest(
        key=f"refund-{refund.uid}",
        transaction_id=refund.payment.transaction_id or "",
        payment_intent_id=refund.payment.payment_intent_id,
        amount=refund.amount,
        currency=refund.payment.currency,
    )
