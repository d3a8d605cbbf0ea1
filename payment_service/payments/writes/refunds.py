"""Booking a refund and recording what became of it. Local writes, one transaction each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events, states
from payment_service.payments.errors import (
    NotRefundable,
    PaymentDisputed,
    PaymentNotFound,
    RefundExceedsCaptured,
    RefundPending,
)
from payment_service.payments.gateways.base import Approved, Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, MAX_REASON_LENGTH, Dispute, Payment, Refund
from payment_service.payments.states import DisputeStatus, Operation, RefundStatus, Status
from payment_service.payments.writes.moves import (
    DECLINED,
    PEER_DOWN,
    UNBLOCKED,
    append_event,
    block,
    move,
    update,
)
from servicekit import money
from servicekit.db import clock, rows
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow

# The reason of a void's own refund.
FOR_VOID: Final = "payment voided"
# What a refund says that nobody has refused, or no more.
_NOT_REFUSED: Final[Mapping[str, Any]] = {
    "failure_code": "",
    "error_message": "",
    "failed_at": None,
    "blocked_at": None,
}

_PENDING: Final[Mapping[str, Collection[RefundStatus]]] = {"status": (RefundStatus.PENDING,)}
_SUCCEEDED: Final[Mapping[str, Collection[RefundStatus]]] = {"status": (RefundStatus.SUCCEEDED,)}
# As Stripe calls it.
_DISPUTED: Final = Declined("charge_disputed", "The payment is disputed, so that it is not refunded", retryable=False)
_FAILED: Final[Mapping[str, Collection[RefundStatus]]] = {"status": (RefundStatus.FAILED,)}


@dataclass(frozen=True)
class Booking:
    """A refund, whether this very call booked it, and whether somebody counts on it who was told so before."""

    refund: Refund
    is_new: bool
    is_promised: bool = False


@in_one_transaction(durable=True)
def book_refund(
    payment_number: int,
    *,
    uid: UUID,
    amount: Decimal | None,
    reason: str,
    refuses_twin: bool = False,
    takes_up: bool = False,
) -> Booking:
    """Book a refund on its payment, before the gateway is asked. Takes the payment's row lock. Safe to repeat by `uid`.

    Args:
        amount: None for all that is left.
        refuses_twin: Whether a refund of the same amount that is still pending is taken for this very one.
        takes_up: Whether a refund with this id that was refused is booked again, if it still can be.

    Raises:
        PaymentNotFound: no payment has this number, or none has it any more.
        NotRefundable: no money was taken, or all of it is back.
        RefundPending: the same is on its way, or all that is left is.
        RefundExceedsCaptured: more than is left, refunds without an answer included.
    """
    payment = _locked(payment_number)
    earlier = Refund.objects.select_related("payment").filter(uid=uid, payment=payment).first()
    if earlier is not None:
        was_promised = earlier.blocked_at is not None
        if takes_up and earlier.status == RefundStatus.FAILED:
            _require_no_twin(payment, amount, refuses_twin=refuses_twin)
        again = _taken_up(payment, earlier) if takes_up else None
        return Booking(again or earlier, is_new=again is not None, is_promised=was_promised)
    if not payment.may_be_refunded:
        raise NotRefundable(status=payment.status)
    _require_no_twin(payment, amount, refuses_twin=refuses_twin)
    wanted = payment.refundable if amount is None else amount
    if payment.refundable < wanted <= payment.captured - payment.booked or (payment.disputed and wanted == 0):
        raise PaymentDisputed(disputed=payment.disputed, refundable=payment.refundable)
    if not 0 < wanted <= payment.refundable:
        raise RefundExceedsCaptured(requested=wanted, refundable=payment.refundable)
    return Booking(_book_new(payment, uid=uid, amount=wanted, reason=reason), is_new=True)


@in_one_transaction(durable=True)
def book_rest(payment_number: int) -> Refund | None:
    """Book all that is left of a payment for which no money may be held; None when nothing is. Takes the row lock.

    However often that is tried, it is one row: a refund that was refused goes on where it was.
    """
    payment = _locked(payment_number)
    if not payment.may_be_refunded:
        return None
    payment = count_lost(payment)
    if payment.refundable == 0:
        _leave_disputed(payment)
        return None
    refunds = Refund.objects.select_related("payment")
    refused = refunds.filter(payment=payment, for_void=True, status=RefundStatus.FAILED.value)
    own = refused.order_by("number").last()
    if own is None:
        return _book_new(payment, uid=uuid4(), amount=payment.refundable, reason=FOR_VOID, for_void=True)
    return book_again(payment, own, amount=payment.refundable, lease_s=settings.PAYMENT_LEASE_S)[1]


def count_lost(payment: Payment) -> Payment:
    """Count as refunded what the payer's bank has taken for good. With the row locked, where no money may be held."""
    refunds = set(Refund.objects.filter(payment=payment).values_list("uid", flat=True))
    for lost in Dispute.objects.filter(payment=payment, status=DisputeStatus.LOST.value).order_by("number"):
        # More than is left went back twice: a person has to say so to the gateway.
        if lost.refund_uid not in refunds and lost.amount <= payment.captured - payment.booked:
            payment = _count(payment, lost)
    return payment


def _count(payment: Payment, lost: Dispute) -> Payment:
    why = f"Dispute {lost.reference} was lost: the payer has the money from the bank"[:MAX_REASON_LENGTH]
    refund = _book_new(payment, uid=lost.refund_uid, amount=lost.amount, reason=FOR_VOID, for_void=True)
    changes: dict[str, Any] = {
        "disputed": payment.disputed - lost.amount,
        "refunded_by_hand": payment.refunded_by_hand + lost.amount,
        "settled_reason": why,
    }
    extra = events.Extra(settled_by_hand=why)
    return _move_on(refund.payment, _succeed(refund, settled_reason=why), extra=extra, **changes)


def _leave_disputed(payment: Payment) -> None:
    """Leave to a person what was to go back and is disputed: the payer may have it already."""
    left = min(payment.disputed, payment.captured - payment.booked)
    if left > 0 and not payment.blocked:
        block(payment, Operation.REFUND, _DISPUTED, extra=events.Extra(refund_amount=money.two_decimals(left)))


def fail_later(payment: Payment, refund: Refund, *, code: str, message: str) -> None:
    """A refund that was made has failed after all: its money is here again, and a person has to see to it. With the
    payment's row locked. The one way in which a payment goes back along its states.

    Raises:
        StaleRow: one of the two is no longer as it was read.
    """
    now, refunded = timezone.now(), payment.refunded - refund.amount
    failed = {"status": RefundStatus.FAILED.value, "version": refund.version + 1, "updated_at": now, "failed_at": now}
    failed |= {"failure_code": code, "error_message": message, "blocked_at": now, "due_at": None}
    refund = rows.update(refund, failed, among=_SUCCEEDED)
    written: dict[str, Any] = {
        "status": (Status.PARTIALLY_REFUNDED if refunded else Status.CAPTURED).value,
        "refunded": refunded,
        "booked": payment.booked - refund.amount,
        "version": payment.version + 1,
        "updated_at": now,
        "due_at": None,
        "blocked": Operation.REFUND.value,
        "blocked_reason": message,
        "blocked_at": now,
        "notice_due_at": Now() if settings.ORDER_NOTICES else None,
        "notice_retry_count": 0,
    }
    gone_back = {"status": (Status.PARTIALLY_REFUNDED, Status.REFUNDED)}
    updated = update(payment, written, as_read=("uid", "version"), among=gone_back)
    extra: events.Extra = {**_of(refund), "failure_code": code, "reason": message}
    append_event(updated, states.REFUND_FAILED, extra)


def book_again(payment: Payment, refund: Refund, *, amount: Decimal, lease_s: float = 0.0) -> tuple[Payment, Refund]:
    """Book a refused refund once more, to be asked for under its next key. Call it with the payment's row locked.

    Args:
        lease_s: How long nobody else is to take it up.
    """
    booked = _book(payment, payment.booked + amount)
    written = {
        "status": RefundStatus.PENDING.value,
        "amount": amount,
        "attempt": refund.attempt + 1,
        "version": refund.version + 1,
        "due_at": clock.seconds_from_now(lease_s),
        "updated_at": timezone.now(),
        **_NOT_REFUSED,
    }
    return booked, rows.update(refund, written, among=_FAILED)


@in_one_transaction
def finish_refund(refund: Refund, outcome: Outcome, *, is_promised: bool) -> Refund:
    """Record the answer to a refund: money back moves the payment, a refusal gives the booked amount back.

    Takes the payment's row lock.

    Args:
        is_promised: Somebody counts on it who will not hear of a refusal now. After a "not now" it stays booked and is
            asked for again; a refusal for good is left to a person.

    Raises:
        StaleRow: the lease ran out and somebody else has the refund.
    """
    payment = _locked(refund.payment_id)
    if isinstance(outcome, Approved):
        succeeded = _succeed(refund, transaction_id=outcome.transaction_id)
        _move_on(payment, succeeded)
        return succeeded
    if is_promised and outcome.retryable:
        return _try_again_later(refund, outcome)
    return _fail(payment, refund, outcome, is_promised=is_promised)


def succeed_by_hand(payment: Payment, refund: Refund, *, amount: Decimal, reason: str, extra: events.Extra) -> Payment:
    """Count a refused refund as made, because a person has given the money back some other way. With the row locked."""
    payment, refund = book_again(payment, refund, amount=amount)
    changes: dict[str, Any] = {"refunded_by_hand": payment.refunded_by_hand + amount, "settled_reason": reason}
    return _move_on(payment, _succeed(refund, settled_reason=reason), extra=extra, **changes)


@in_one_transaction(durable=True)
def claim_refund(refund: Refund) -> Refund | None:
    """Take a refund that is due, for as long as a lease lasts; None when somebody was faster."""
    lease = {"version": refund.version + 1, "due_at": clock.seconds_from_now(settings.PAYMENT_LEASE_S)}
    try:
        return rows.update(refund, lease, is_due=True)
    except StaleRow:
        return None


@in_one_transaction
def retry_later(refund: Refund) -> Refund:
    """Give a refund back for later, each time a little later. Nothing happens when the claim is lost."""
    count = refund.retry_count
    written = {"due_at": clock.seconds_from_now(PEER_DOWN.wait_s(count)), "retry_count": count + 1}
    try:
        return rows.update(refund, written)
    except StaleRow:
        return Refund.objects.select_related("payment").get(pk=refund.pk)


def _locked(payment_number: int) -> Payment:
    payment = Payment.objects.select_for_update().filter(pk=payment_number).first()
    if payment is None:
        raise PaymentNotFound
    return payment


def _require_no_twin(payment: Payment, amount: Decimal | None, *, refuses_twin: bool) -> None:
    """Refuse a refund that would be the same as one that is pending, whichever door that came through."""
    pending = Refund.objects.filter(payment=payment, status=RefundStatus.PENDING.value).order_by("number")
    if amount is None:
        twin = pending.last() if payment.refundable == 0 else None
    else:
        twin = pending.filter(amount=amount).last() if refuses_twin else None
    if twin is not None:
        raise RefundPending(refund_id=str(twin.uid), amount=twin.amount)


def _taken_up(payment: Payment, earlier: Refund) -> Refund | None:
    """The refund that was refused, booked again; None when it is not refused, or does not fit any more."""
    is_refused = earlier.status == RefundStatus.FAILED and payment.may_be_refunded
    if not is_refused or earlier.amount > payment.refundable:
        return None
    return book_again(payment, earlier, amount=earlier.amount, lease_s=settings.PAYMENT_LEASE_S)[1]


def _book_new(payment: Payment, *, uid: UUID, amount: Decimal, reason: str, for_void: bool = False) -> Refund:
    refund = Refund(
        uid=uid,
        payment=_book(payment, payment.booked + amount),
        amount=money.two_decimals(amount),
        reason=reason,
        status=RefundStatus.PENDING.value,
        for_void=for_void,
        due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S),
    )
    refund.save(force_insert=True)
    return refund


def _succeed(refund: Refund, **settled: Any) -> Refund:
    return _settle(refund, to=RefundStatus.SUCCEEDED, succeeded_at=timezone.now(), **_NOT_REFUSED, **settled)


def _move_on(payment: Payment, refund: Refund, *, extra: events.Extra | None = None, **changes: Any) -> Payment:
    """Move the payment whose refund has succeeded."""
    refunded = payment.refunded + refund.amount
    to = Status.REFUNDED if refunded == payment.captured else Status.PARTIALLY_REFUNDED
    return move(
        payment,
        to=to,
        extra={**_of(refund), **(extra or {})},
        refunded=refunded,
        refunded_at=refund.succeeded_at,
        notice_due_at=Now() if settings.ORDER_NOTICES else None,
        notice_retry_count=0,
        **changes,
        **(_still_blocked(payment) if to == Status.PARTIALLY_REFUNDED else {}),
    )


def _of(refund: Refund) -> events.Extra:
    return events.Extra(refund_id=str(refund.uid), refund_amount=money.two_decimals(refund.amount))


def _still_blocked(payment: Payment) -> Mapping[str, Any]:
    """A refund that was made says nothing about another that waits for a person; a void is then tried again."""
    if not payment.blocked or payment.void_requested:
        return {}
    is_waiting = Refund.objects.filter(payment=payment, blocked_at__isnull=False).exists()
    return {name: getattr(payment, name) for name in UNBLOCKED} if is_waiting else {}


def _try_again_later(refund: Refund, refusal: Declined) -> Refund:
    """The same refund, still booked, under its next key: the gateway would answer the old one as before."""
    written = {
        "attempt": refund.attempt + 1,
        "retry_count": refund.retry_count + 1,
        "version": refund.version + 1,
        "updated_at": timezone.now(),
        "due_at": clock.seconds_from_now(DECLINED.wait_s(refund.retry_count)),
        **_noted(refusal),
    }
    return rows.update(refund, written, among=_PENDING)


def _fail(payment: Payment, refund: Refund, refusal: Declined, *, is_promised: bool) -> Refund:
    """A refund of a payment that is to be voided is not missed: what it leaves, the void's own gives back."""
    is_missed = is_promised and (refund.for_void or not payment.void_requested)
    now = timezone.now()
    blocked_at = now if is_missed else None
    failed = _settle(refund, to=RefundStatus.FAILED, failed_at=now, blocked_at=blocked_at, **_noted(refusal))
    payment = _book(payment, payment.booked - refund.amount)
    if is_missed:
        block(payment, Operation.REFUND, refusal, extra=_of(refund))
    else:
        # A void that counted on this refund has something to do again.
        voided = Payment.objects.filter(pk=payment.pk, void_requested=True, due_at=None)
        voided.exclude(blocked=Operation.REFUND.value).update(due_at=Now())
    return failed


def _noted(refusal: Declined) -> dict[str, str]:
    return {"failure_code": refusal.code, "error_message": refusal.message[:MAX_MESSAGE_LENGTH]}


def _book(payment: Payment, booked: Decimal) -> Payment:
    """Set what is booked, if it still is what was read. Not `F() + x`: SQLite would add binary fractions."""
    return rows.update(payment, {"booked": booked}, as_read=("booked",), among={"status": states.REFUNDABLE})


def _settle(refund: Refund, *, to: RefundStatus, **changes: object) -> Refund:
    settled = {"version": refund.version + 1, "updated_at": timezone.now(), "due_at": None, "retry_count": 0}
    return rows.update(refund, {**settled, **changes, "status": to.value}, among=_PENDING)
