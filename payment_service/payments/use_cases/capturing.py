"""Capturing and releasing money that is set aside: intent, gateway, outcome."""

from decimal import Decimal
from typing import Final

from payment_service.payments import reads
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import (
    NOT_SENT,
    CaptureRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    VoidRequest,
    decided,
)
from payment_service.payments.models import Payment
from payment_service.payments.writes import closing, moves
from servicekit import money
from servicekit.errors import StaleRow

_NOT_WANTED: Final = Declined(code="payment_voided", message="The payment is to be voided", retryable=False)


def capture_payment(payment: Payment, *, amount: Decimal | None) -> Payment:
    """Take what is set aside, or a part of it; the rest is released. Safe to repeat with the same amount.

    Comes back AUTHORIZED with `capture_asked` when the answer is not known yet, and AUTHORIZED with a `failure_code`
    when the gateway refused.

    Raises:
        DoesNotFit: the payment's currency has no such fraction.
        NotCapturable, PaymentVoided, PaymentBusy, CaptureExceedsAuthorized: see `services.closing.start_capture`.
    """
    wanted = payment.amount if amount is None else amount
    money.check(wanted, payment.currency)
    if payment.captured == wanted and wanted > 0:
        return payment
    return _ask_for_capture(closing.start_capture(payment, amount=wanted))


def settle_capture(payment: Payment, *, resend: bool) -> Payment:
    """Find out what became of the capture of a claimed payment; where nothing did, `resend` asks again as before.

    Where a void waits it is not sent again: should the lost one arrive after the void, the gateway refuses it, having
    nothing set aside any more.
    """
    gateway, request = registry.gateway(payment.gateway), _capture_request(payment)
    outcome: Outcome | None
    try:
        outcome = decided(gateway.find(request))
        if outcome is None and payment.void_requested:
            outcome = _NOT_WANTED
        elif outcome is None and resend:
            outcome = gateway.capture(request)
    except (GatewayUnavailable, OutcomeUnknown):
        outcome = None
    return moves.retry_later(payment) if outcome is None else _conclude(payment, outcome)


def release(payment: Payment) -> Payment:
    """Carry out the void of a claimed AUTHORIZED payment. A refusal or no answer is tried again later."""
    gateway, request = registry.gateway(payment.gateway), _void_request(payment)
    try:
        outcome = decided(gateway.find(request)) or gateway.void(request)
        return closing.finish_void(payment, outcome)
    except (GatewayUnavailable, OutcomeUnknown):
        return moves.retry_later(payment)
    except StaleRow:
        return reads.payment_by_number(payment.number)


def _ask_for_capture(payment: Payment) -> Payment:
    try:
        outcome = registry.gateway(payment.gateway).capture(_capture_request(payment))
    except GatewayUnavailable:
        outcome = NOT_SENT
    except OutcomeUnknown:
        return moves.leave_unknown(payment)
    return _conclude(payment, outcome)


def _conclude(payment: Payment, outcome: Outcome) -> Payment:
    try:
        return closing.finish_capture(payment, outcome)
    except StaleRow:
        return reads.payment_by_number(payment.number)


def _capture_request(payment: Payment) -> CaptureRequest:
    return CaptureRequest(
        key=capture_key(payment.order_id, attempt=payment.attempt),
        transaction_id=payment.transaction_id or "",
        payment_intent_id=payment.payment_intent_id,
        amount=payment.capture_asked or payment.amount,
        currency=payment.currency,
    )


def _void_request(payment: Payment) -> VoidRequest:
    return VoidRequest(
        key=void_key(payment.order_id, attempt=payment.attempt),
        transaction_id=payment.transaction_id or "",
        payment_intent_id=payment.payment_intent_id,
    )


def capture_key(order_id: str, *, attempt: int) -> str:
    """The key of a payment's capture: the same after a crash."""
    return f"order-{order_id}-capture-{attempt}"


def void_key(order_id: str, *, attempt: int) -> str:
    """The key of a payment's void: the same after a crash."""
    return f"order-{order_id}-void-{attempt}"
