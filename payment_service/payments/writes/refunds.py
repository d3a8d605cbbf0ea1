"""Booking a refund and recording what became of it. Local writes, one transaction each."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import states
from payment_service.payments.errors import (
    NotRefundable,
    Overtaken,
    PaymentNotFound,
    RefundExceedsCaptured,
    RefundPending,
)
from payment_service.payments.gateways.base import Approved, Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment, Refund
from payment_service.payments.states import Operation, RefundStatus, Status
from payment_service.payments.writes.moves import (
    DECLINED,
    PEER_DOWN,
    UNBLOCKED,
    block,
    move,
)
from servicekit import money
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction

# The reason of a void's own refund.
FOR_VOID: Final = "payment voided"
# What a refund says that nobody has refused, or no more.
_NOT_REFUSED: Final[Mapping[str, Any]] = {
    "failure_code": "",
    "error_message": "",
    "failed_at": None,
    "blocked_at": None,
}


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
        return Booking(earlier, is_new=takes_up and _taken_up(payment, earlier), is_promised=was_promised)
    if not payment.may_be_refunded:
        raise NotRefundable(status=payment.status)
    _require_no_twin(payment, amount, refuses_twin=refuses_twin)
    wanted = payment.refundable if amount is None else amount
    if not 0 < wanted <= payment.refundable:
        raise RefundExceedsCaptured(requested=wanted, refundable=payment.refundable)
    return Booking(_book_new(payment, uid=uid, amount=wanted, reason=reason), is_new=True)


@in_one_transaction(durable=True)
def book_rest(payment_number: int) -> Refund | None:
    """Book all that is left of a payment for which no money may be held; None when nothing is. Takes the row lock.

    However often that is tried, it is one row: a refund that was refused goes on where it was.
    """
    payment = _locked(payment_number)
    if not payment.may_be_refunded or payment.refundable == 0:
        return None
    refused = Refund.objects.filter(payment=payment, for_void=True, status=RefundStatus.FAILED.value)
    own = refused.order_by("number").last()
    if own is None:
        return _book_new(payment, uid=uuid4(), amount=payment.refundable, reason=FOR_VOID, for_void=True)
    book_again(payment, own, amount=payment.refundable, lease_s=settings.PAYMENT_LEASE_S)
    return _fresh(own)


def book_again(payment: Payment, refund: Refund, *, amount: Decimal, lease_s: float = 0.0) -> Payment:
    """Book a refused refund once more, to be asked for under its next key. Call it with the payment's row locked.

    Args:
        lease_s: How long nobody else is to take it up.
    """
    _book(payment, payment.booked + amount)
    rows = Refund.objects.filter(pk=refund.pk, version=refund.version, status=RefundStatus.FAILED.value)
    if not rows.update(
        status=RefundStatus.PENDING.value,
        amount=amount,
        attempt=refund.attempt + 1,
        version=refund.version + 1,
        due_at=clock.seconds_from_now(lease_s),
        updated_at=timezone.now(),
        **_NOT_REFUSED,
    ):
        raise Overtaken
    return Payment.objects.get(pk=payment.pk)


@in_one_transaction
def finish_refund(refund: Refund, outcome: Outcome, *, is_promised: bool) -> Refund:
    """Record the answer to a refund: money back moves the payment, a refusal gives the booked amount back.

    Takes the payment's row lock.

    Args:
        is_promised: Somebody counts on it who will not hear of a refusal now. After a "not now" it stays booked and is
            asked for again; a refusal for good is left to a person.

    Raises:
        Overtaken: the lease ran out and somebody else has the refund.
    """
    payment = _locked(refund.payment_id)
    if isinstance(outcome, Approved):
        _succeed(payment, refund, transaction_id=outcome.transaction_id)
    elif is_promised and outcome.retryable:
        _try_again_later(refund, outcome)
    else:
        _fail(payment, refund, outcome, is_promised=is_promised)
    return _fresh(refund)


def succeed_by_hand(
    payment: Payment, refund: Refund, *, amount: Decimal, reason: str, told: Mapping[str, Any]
) -> Payment:
    """Count a refused refund as made, because a person has given the money back some other way. With the row locked."""
    payment = book_again(payment, refund, amount=amount)
    changes: dict[str, Any] = {"refunded_by_hand": payment.refunded_by_hand + amount, "settled_reason": reason}
    return _succeed(payment, _fresh(refund), told=told, changes=changes, settled_reason=reason)


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
    Refund.objects.filter(pk=refund.pk, version=refund.version).update(
        due_at=clock.seconds_from_now(PEER_DOWN.wait_s(refund.tries)), tries=F("tries") + 1
    )
    return _fresh(refund)


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


def _taken_up(payment: Payment, earlier: Refund) -> bool:
    """Whether a refund that was refused is booked again. `earlier` is brought up to date."""
    is_refused = earlier.status == RefundStatus.FAILED and payment.may_be_refunded
    if not is_refused or earlier.amount > payment.refundable:
        return False
    book_again(payment, earlier, amount=earlier.amount, lease_s=settings.PAYMENT_LEASE_S)
    earlier.refresh_from_db()
    return True


def _book_new(payment: Payment, *, uid: UUID, amount: Decimal, reason: str, for_void: bool = False) -> Refund:
    _book(payment, payment.booked + amount)
    refund = Refund(
        uid=uid,
        payment=payment,
        amount=money.two_decimals(amount),
        reason=reason,
        status=RefundStatus.PENDING.value,
        for_void=for_void,
        due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S),
    )
    refund.save(force_insert=True)
    return _fresh(refund)


def _succeed(
    payment: Payment,
    refund: Refund,
    *,
    told: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    **settled: Any,
) -> Payment:
    now = timezone.now()
    _settle(refund, to=RefundStatus.SUCCEEDED, succeeded_at=now, **_NOT_REFUSED, **settled)
    refunded = payment.refunded + refund.amount
    to = Status.REFUNDED if refunded == payment.captured else Status.PARTIALLY_REFUNDED
    return move(
        payment,
        to=to,
        told={"refund_id": str(refund.uid), "refund_amount": money.two_decimals(refund.amount), **(told or {})},
        refunded=refunded,
        refunded_at=now,
        notice_due_at=Now() if settings.ORDER_NOTICES else None,
        notice_tries=0,
        **(changes or {}),
        **(_still_blocked(payment) if to == Status.PARTIALLY_REFUNDED else {}),
    )


def _still_blocked(payment: Payment) -> Mapping[str, Any]:
    """A refund that was made says nothing about another that waits for a person; a void is then tried again."""
    if not payment.blocked or payment.void_requested:
        return {}
    is_waiting = Refund.objects.filter(payment=payment, blocked_at__isnull=False).exists()
    return {name: getattr(payment, name) for name in UNBLOCKED} if is_waiting else {}


def _try_again_later(refund: Refund, refusal: Declined) -> None:
    """The same refund, still booked, under its next key: the gateway would answer the old one as before."""
    rows = Refund.objects.filter(pk=refund.pk, version=refund.version, status=RefundStatus.PENDING.value)
    if not rows.update(
        attempt=refund.attempt + 1,
        tries=refund.tries + 1,
        version=refund.version + 1,
        updated_at=timezone.now(),
        due_at=clock.seconds_from_now(DECLINED.wait_s(refund.tries)),
        **_noted(refusal),
    ):
        raise Overtaken


def _fail(payment: Payment, refund: Refund, refusal: Declined, *, is_promised: bool) -> None:
    """A refund of a payment that is to be voided is not missed: what it leaves, the void's own gives back."""
    is_missed = is_promised and (refund.for_void or not payment.void_requested)
    now = timezone.now()
    _settle(refund, to=RefundStatus.FAILED, failed_at=now, blocked_at=now if is_missed else None, **_noted(refusal))
    _book(payment, payment.booked - refund.amount)
    if is_missed:
        told = {"refund_id": str(refund.uid), "refund_amount": money.two_decimals(refund.amount)}
        block(payment, Operation.REFUND, refusal, told=told)
    else:
        # A void that counted on this refund has something to do again.
        rows = Payment.objects.filter(pk=payment.pk, void_requested=True, due_at=None)
        rows.exclude(blocked=Operation.REFUND.value).update(due_at=Now())


def _noted(refusal: Declined) -> dict[str, str]:
    return {"failure_code": refusal.code, "error_message": refusal.message[:MAX_MESSAGE_LENGTH]}


def _book(payment: Payment, booked: Decimal) -> None:
    """Set what is booked, if it still is what was read. Not `F() + x`: SQLite would add binary fractions."""
    statuses = [status.value for status in states.REFUNDABLE]
    if not Payment.objects.filter(pk=payment.pk, status__in=statuses, booked=payment.booked).update(booked=booked):
        raise Overtaken


def _settle(refund: Refund, *, to: RefundStatus, **changes: object) -> None:
    rows = Refund.objects.filter(pk=refund.pk, version=refund.version, status=RefundStatus.PENDING.value)
    settled = {"version": refund.version + 1, "updated_at": timezone.now(), "due_at": None, "tries": 0}
    if not rows.update(status=to.value, **{**settled, **changes}):
        raise Overtaken


def _fresh(refund: Refund) -> Refund:
    return Refund.objects.select_related("payment").get(pk=refund.pk)
