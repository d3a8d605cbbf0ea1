"""Booking a refund and recording what became of it. Local writes, one transaction each."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import states
from payment_service.payments.errors import NotRefundable, Overtaken, RefundExceedsCaptured
from payment_service.payments.gateways.base import Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment, Refund
from payment_service.payments.services.moves import FIRST_WAIT_S, LONGEST_WAIT_S, move
from payment_service.payments.states import RefundStatus, Status
from servicekit import clock, money
from servicekit.transactions import in_one_transaction


@dataclass(frozen=True)
class Booking:
    """A refund, and whether this very call booked it."""

    refund: Refund
    is_new: bool


@in_one_transaction(durable=True)
def book_refund(payment_number: int, *, uid: UUID, amount: Decimal | None, reason: str) -> Booking:
    """Book a refund on its payment, before the gateway is asked. Takes the payment's row lock. Safe to repeat by `uid`.

    Args:
        amount: None for all that is left.

    Raises:
        NotRefundable: no money was taken, or all of it is back.
        RefundExceedsCaptured: more than is left, refunds without an answer included.
    """
    payment = Payment.objects.select_for_update().get(pk=payment_number)
    earlier = Refund.objects.select_related("payment").filter(uid=uid, payment=payment).first()
    if earlier is not None:
        return Booking(earlier, is_new=False)
    if payment.status not in states.REFUNDABLE:
        raise NotRefundable(status=payment.status)
    wanted = payment.refundable if amount is None else amount
    if not 0 < wanted <= payment.refundable:
        raise RefundExceedsCaptured(requested=wanted, refundable=payment.refundable)
    _book(payment, payment.booked + wanted)
    refund = Refund(
        uid=uid, payment=payment, amount=money.two_decimals(wanted), reason=reason, status=RefundStatus.PENDING.value
    )
    refund.due_at = clock.seconds_from_now(settings.PAYMENT_LEASE_S)
    refund.save(force_insert=True)
    return Booking(_fresh(refund), is_new=True)


@in_one_transaction
def finish_refund(refund: Refund, outcome: Outcome) -> Refund:
    """Record the answer to a refund: money back moves the payment, a refusal gives the booked amount back.

    Takes the payment's row lock.

    Raises:
        Overtaken: the lease ran out and somebody else has the refund.
    """
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    now = timezone.now()
    if isinstance(outcome, Declined):
        _settle(
            refund,
            to=RefundStatus.FAILED,
            failed_at=now,
            failure_code=outcome.code,
            error_message=outcome.message[:MAX_MESSAGE_LENGTH],
        )
        _book(payment, payment.booked - refund.amount)
        # A void that counted on this refund has something to do again.
        Payment.objects.filter(pk=payment.pk, void_requested=True, due_at=None).update(due_at=Now())
        return _fresh(refund)
    _settle(refund, to=RefundStatus.SUCCEEDED, succeeded_at=now, transaction_id=outcome.transaction_id)
    refunded = payment.refunded + refund.amount
    move(
        payment,
        to=Status.REFUNDED if refunded == payment.captured else Status.PARTIALLY_REFUNDED,
        told={"refund_id": str(refund.uid), "refund_amount": money.two_decimals(refund.amount)},
        refunded=refunded,
        refunded_at=now,
        notice_due_at=Now() if settings.ORDER_NOTICES else None,
        notice_tries=0,
    )
    return _fresh(refund)


@in_one_transaction(durable=True)
def claim_refund(refund: Refund) -> Refund | None:
    """Take a refund that is due, for as long as a lease lasts; None when somebody was faster."""
    rows = Refund.objects.filter(pk=refund.pk, version=refund.version, due_at__lte=Now())
    if not rows.update(version=refund.version + 1, due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S)):
        return None
    return _fresh(refund)


@in_one_transaction
def postpone_refund(refund: Refund) -> Refund:
    """Give a refund back for later, each time a little later. Nothing happens when the claim is lost."""
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(refund.tries, 20))
    Refund.objects.filter(pk=refund.pk, version=refund.version).update(
        due_at=clock.seconds_from_now(wait_s), tries=F("tries") + 1
    )
    return _fresh(refund)


def _book(payment: Payment, booked: Decimal) -> None:
    """Set what is booked, if it still is what was read. Not `F() + x`: SQLite would add binary fractions."""
    statuses = [status.value for status in states.REFUNDABLE]
    if not Payment.objects.filter(pk=payment.pk, status__in=statuses, booked=payment.booked).update(booked=booked):
        raise Overtaken


def _settle(refund: Refund, *, to: RefundStatus, **changes: object) -> None:
    rows = Refund.objects.filter(pk=refund.pk, version=refund.version, status=RefundStatus.PENDING.value)
    if not rows.update(
        status=to.value, version=refund.version + 1, updated_at=timezone.now(), due_at=None, tries=0, **changes
    ):
        raise Overtaken


def _fresh(refund: Refund) -> Refund:
    return Refund.objects.select_related("payment").get(pk=refund.pk)
