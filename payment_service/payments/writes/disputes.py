"""Recording what a gateway says later: each notice once, a dispute, a refund that was made and has failed.

One transaction each, the payment's row locked.
"""

from typing import Any, Final

import structlog
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events, states
from payment_service.payments.gateways.base import ChargeNotice, DisputeNotice, Notice, RefundFailedNotice
from payment_service.payments.models import MAX_MESSAGE_LENGTH, NOTHING, Dispute, GatewayNotice, Payment, Refund
from payment_service.payments.states import DisputeStatus, RefundStatus
from payment_service.payments.writes import moves, refunds
from servicekit import money
from servicekit.db.transactions import in_one_transaction

log = structlog.get_logger()

FAILED_LATER: Final = "The gateway says that the refund has failed after it was made"
# A key of ours: `refund-{uid}` and, from the second attempt on, its number.
_KEY: Final = "refund-"
_UUID_LENGTH: Final = 36


@in_one_transaction
def record(notice: Notice) -> bool:
    """Let a notice have its effect; whether it is new. Safe to repeat."""
    _, is_new = GatewayNotice.objects.get_or_create(reference=notice.reference, defaults={"type": notice.type})
    if not is_new:
        return False
    match notice.about:
        case DisputeNotice() as dispute:
            _record_dispute(dispute)
        case RefundFailedNotice() as failed:
            _record_failed_refund(failed)
        case ChargeNotice() as charge:
            moves.make_due(charge.order_id)
    return True


def _record_dispute(notice: DisputeNotice) -> None:
    named = Q(transaction_id=notice.transaction_id) if notice.transaction_id else Q()
    named |= Q(payment_intent_id=notice.payment_intent_id) if notice.payment_intent_id else Q()
    payment = Payment.objects.select_for_update().filter(named).first() if named else None
    if payment is None:
        log.error("gateway.unknown_payment", reference=notice.reference)
        return
    status = {None: DisputeStatus.OPEN, True: DisputeStatus.WON, False: DisputeStatus.LOST}[notice.is_won]
    dispute = Dispute.objects.filter(reference=notice.reference).first()
    if dispute is not None and (status is DisputeStatus.OPEN or dispute.status == status):
        return  # told before; and one that has ended is not open again because a notice was late
    if dispute is None:
        dispute = Dispute(payment=payment, reference=notice.reference, amount=notice.amount, reason=notice.reason)
    dispute.status = status.value
    dispute.closed_at = None if status is DisputeStatus.OPEN else timezone.now()
    dispute.save()
    _tell(payment, dispute)


def _tell(payment: Payment, dispute: Dispute) -> None:
    counted = set(Refund.objects.filter(payment=payment).values_list("uid", flat=True))
    disputes = Dispute.objects.filter(payment=payment)
    disputed = sum((each.amount for each in disputes if each.counts_beside(counted)), NOTHING)
    written: dict[str, Any] = {
        "disputed": money.two_decimals(disputed),
        "version": payment.version + 1,
        "updated_at": timezone.now(),
    }
    if payment.void_requested and payment.captured - payment.booked > disputed:
        written |= {"due_at": Now(), **moves.UNBLOCKED}  # there is money of ours, and somebody waits for it
    updated = moves.update(payment, written)
    said = events.Extra(
        dispute_id=str(dispute.uid),
        dispute_amount=money.two_decimals(dispute.amount),
        dispute_status=dispute.status,
        reason=dispute.reason,
    )
    kind = states.DISPUTED if dispute.status == DisputeStatus.OPEN else states.DISPUTE_CLOSED
    moves.append_event(updated, kind, said)
    log.warning(kind, payment_id=str(payment.uid), dispute_status=dispute.status)
    if payment.void_requested and payment.may_be_refunded:
        refunds.count_lost(updated)


def _record_failed_refund(notice: RefundFailedNotice) -> None:
    refund = _refund_of(notice)
    if refund is None:
        log.error("gateway.unknown_refund", reference=notice.transaction_id)
        return
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    refund = Refund.objects.get(pk=refund.pk)
    if refund.status == RefundStatus.PENDING:
        Refund.objects.filter(pk=refund.pk, status=RefundStatus.PENDING.value).update(due_at=Now())
    elif refund.status == RefundStatus.SUCCEEDED and not refund.settled_reason:
        refunds.fail_later(payment, refund, code=notice.code, message=FAILED_LATER[:MAX_MESSAGE_LENGTH])
        log.error(states.REFUND_FAILED, payment_id=str(payment.uid), failure_code=notice.code)


def _refund_of(notice: RefundFailedNotice) -> Refund | None:
    found = Refund.objects.filter(transaction_id=notice.transaction_id).first()
    uid = notice.key.removeprefix(_KEY)[:_UUID_LENGTH]
    if found is not None or not notice.key.startswith(_KEY) or len(uid) < _UUID_LENGTH:
        return found
    return Refund.objects.filter(uid=uid).first()
