"""Recording what happened elsewhere to the money of a payment: it was taken, or given back. One transaction each."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.writes.moves import move
from servicekit import money
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow


@in_one_transaction
def record_capture(
    number: int,
    *,
    version: int,
    amount: Decimal,
    currency: str,
    method: str,
    gateway: str,
    reference: str,
    captured_at: datetime,
    refund_reason: str | None,
) -> Payment:
    """A new attempt at a FAILED payment, asked and answered before this service heard of it: nobody is charged.

    Args:
        version: At which the payment was read.
        refund_reason: None where the money was not given back; all of it was otherwise, at a time nobody knows.

    Raises:
        StaleRow: the payment is no longer as it was read.
    """
    payment = _as_read(number, version)
    notice_due_at = Now() if payment.notify_order else None
    payment = move(
        payment,
        to=Status.PROCESSING,
        attempt=payment.attempt + 1,
        amount=amount,
        currency=currency,
        method=method,
        gateway=gateway,
        reference=reference,
        auto_capture=True,
        **_NO_FAILURE,
    )
    payment = move(
        payment, to=Status.CAPTURED, captured=amount, captured_at=captured_at, notice_due_at=notice_due_at, due_at=None
    )
    return payment if refund_reason is None else _record_refund(payment, refund_reason)


@in_one_transaction
def record_refund(number: int, *, version: int, reason: str) -> Payment:
    """All the money of a payment that was taken elsewhere went back there: no gateway is asked. Takes the row lock.

    Args:
        version: At which the payment was read.

    Raises:
        StaleRow: the payment is no longer as it was read, or a refund of it is booked.
    """
    payments = Payment.objects.select_for_update().filter(pk=number, version=version, void_requested=False)
    payment = payments.filter(status=Status.CAPTURED.value, booked=0).first()
    if payment is None:
        raise StaleRow("payment")
    notice_due_at = Now() if payment.notify_order else None
    return _record_refund(payment, reason, notice_due_at=notice_due_at, notice_retry_count=0)


# What the attempt before left behind.
_NO_FAILURE: Final[Mapping[str, Any]] = {
    "failure_code": "",
    "error_message": "",
    "retryable": None,
    "provider_response": None,
}


def _as_read(number: int, version: int) -> Payment:
    payment = Payment.objects.filter(pk=number, version=version, void_requested=False).first()
    if payment is None:
        raise StaleRow("payment")
    return payment


def _record_refund(payment: Payment, reason: str, **changes: Any) -> Payment:
    now = timezone.now()
    refund = Refund(
        payment=payment,
        amount=payment.captured,
        reason=reason,
        status=RefundStatus.SUCCEEDED.value,
        created_at=now,
        updated_at=now,
    )
    refund.save(force_insert=True)
    extra = events.Extra(refund_id=str(refund.uid), refund_amount=money.two_decimals(refund.amount))
    return move(payment, to=Status.REFUNDED, extra=extra, booked=refund.amount, refunded=refund.amount, **changes)
