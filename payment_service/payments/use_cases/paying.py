"""Paying an order of the order service: ask for it, charge what it costs, tell the order service to look again."""

from decimal import Decimal
from uuid import UUID

from django.conf import settings

from payment_service.payments import clients, reads
from payment_service.payments.errors import (
    AmountMismatch,
    IncorrectAmount,
    IncorrectCurrency,
    OrderNotFound,
    OrderNotPayable,
    PaymentNotCaptured,
    PaymentRefunded,
    PaymentVoided,
)
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging, notices
from payment_service.payments.writes.attempts import Asked
from servicekit import money

PAYABLE = "PENDING"


def pay_order(order_id: str, *, uid: UUID, amount: Decimal, currency: str | None, method: str, token: str) -> Payment:
    """Charge an order that waits for its payment. If only telling fails, the order service learns of it later.

    With notices off it learns of it from Kafka. Safe to repeat with the same `uid`. What comes back has taken exactly
    what the order costs and still has it, or is PROCESSING, being captured, or FAILED.

    Args:
        order_id: The order's id or its number.
        currency: What the payer believes the order to be in; None for whatever it is.

    Raises:
        OrderNotFound, OrderNotPayable, IncorrectCurrency, DoesNotFit, IncorrectAmount, OrderServiceUnavailable: nothing
            was charged.
        AmountMismatch, PaymentVoided: see `charging.charge_payment`.
        AmountMismatch, PaymentNotCaptured, PaymentRefunded: the payment that is there does not hold the order's total.
    """
    order = clients.order_service().find(order_id)
    if order is None:
        raise OrderNotFound
    if order.status != PAYABLE:
        paid = reads.payment_opened_by(uid)
        if paid is None:
            raise OrderNotPayable(status=order.status.lower())
        return _paying_in_full(paid, total=order.total)
    if currency not in (None, order.currency):
        raise IncorrectCurrency(expected=order.currency)
    money.check(amount, order.currency)
    if amount != order.total:
        raise IncorrectAmount(expected=order.total)
    asked = Asked(
        uid=uid,
        order_id=order.order_id,
        amount=amount,
        currency=order.currency,
        method=method,
        token=token,
        notify_order=settings.ORDER_NOTICES,
    )
    payment = _paying_in_full(charging.charge_payment(asked).payment, total=order.total)
    if payment.status == Status.CAPTURED and settings.ORDER_NOTICES:
        notices.send_now(payment)
    return payment


def _paying_in_full(payment: Payment, *, total: Decimal) -> Payment:
    """The payment, if it holds the order's total or still may: at another door less may be captured, or refunded."""
    if payment.void_requested:
        raise PaymentVoided
    if payment.booked:
        raise PaymentRefunded(refunded=payment.booked, captured=payment.captured)
    if payment.status == Status.AUTHORIZED and payment.capture_asked is None:
        raise PaymentNotCaptured
    if payment.captured not in (0, total):
        raise AmountMismatch(amount=payment.captured, currency=payment.currency)
    return payment
