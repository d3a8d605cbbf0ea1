"""The payments as the check across the services compares them with the other books."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef

from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus
from servicekit import money
from servicekit.invariants.snapshot import in_batches


def books(order_ids: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
    """Each payment, or those of these orders."""
    pending = Refund.objects.filter(payment=OuterRef("pk"), status=RefundStatus.PENDING.value)
    payments = Payment.objects.annotate(is_refunding=Exists(pending))
    if order_ids is not None:
        payments = payments.filter(order_id__in=order_ids)
    for lines in in_batches(payments, lambda some: [_line(payment) for payment in some]):
        yield from lines


def _line(payment: Any) -> Mapping[str, Any]:
    return {
        "id": payment.order_id,
        "payment_id": str(payment.uid),
        "version": payment.version,
        "status": payment.status,
        "captured": money.two_decimals(payment.captured),
        "refunded": money.two_decimals(payment.refunded),
        "currency": payment.currency,
        "void_requested": payment.void_requested,
        "is_waiting": bool(payment.due_at or payment.notice_due_at or payment.is_refunding or payment.blocked),
    }
