"""What a gateway refuses for good, though it is still wanted: kept where a person sees it, and what a person then does.

No worker tries it again. Somebody has it taken up again, or settles it by hand, the money having gone back some other
way; why is kept. One transaction each.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events, states
from payment_service.payments.errors import CaptureBlocked, NotBlocked, PaymentBusy, ReasonRequired
from payment_service.payments.models import MAX_REASON_LENGTH, Payment, Refund
from payment_service.payments.states import Operation, RefundStatus, Status
from payment_service.payments.writes import moves, refunds
from servicekit import cards
from servicekit.db.transactions import in_one_transaction
from servicekit.texts import is_blank

# What an event says of who did it, where a program did.
NOBODY: Final = ""


@in_one_transaction(durable=True)
def take_up(payment: Payment, *, by: str = NOBODY) -> Payment:
    """Have what the gateway has refused for good tried again: it is due at once. Takes the payment's row lock.

    A refund goes on in its own row, one of a void with all that is left by now.

    Args:
        by: Who wants it, for the trail.

    Raises:
        NotBlocked: nothing was refused for good, or it is under way already.
        CaptureBlocked: only whoever asks for a capture knows how much it is to be.
    """
    payment = _blocked(payment)
    if payment.blocked == Operation.CAPTURE:
        raise CaptureBlocked
    for refund, amount in list(_waiting_refunds(payment)):
        payment, _ = refunds.book_again(payment, refund, amount=amount)
    Refund.objects.filter(payment=payment, blocked_at__isnull=False).update(blocked_at=None)
    extra = _by(by, events.Extra(taken_up=payment.blocked))
    written = {
        "due_at": moves.WHEN_VOID_REQUESTED,
        "retry_count": 0,
        "version": payment.version + 1,
        "updated_at": timezone.now(),
        **moves.UNBLOCKED,
    }
    taken_up = moves.update(payment, written)
    moves.append_event(taken_up, states.TAKEN_UP, extra)
    return taken_up


@in_one_transaction
def settle_by_hand(payment: Payment, *, reason: str, by: str = NOBODY) -> Payment:
    """Count as done what the gateway refuses for good: the money is back, or released, some other way.

    A payment whose money was taken ends refunded, one whose money was only set aside ends voided. Takes the payment's
    row lock.

    Args:
        reason: What was done instead. Kept with the payment and said in its event.
        by: Who says so.

    Raises:
        ReasonRequired: it says nothing.
        CardNumber: it has a card number in it.
        NotBlocked: nothing was refused for good, or all of it is under way.
        PaymentBusy: it is being captured at this moment.
    """
    reason = reason.strip()[:MAX_REASON_LENGTH]
    if is_blank(reason):
        raise ReasonRequired
    cards.refuse(reason, field="reason")
    payment = _blocked(payment)
    extra = _by(by, events.Extra(settled_by_hand=reason))
    if payment.capture_asked is not None:
        raise PaymentBusy
    if payment.status == Status.AUTHORIZED:
        changes: dict[str, Any] = {"voided_at": timezone.now(), "void_requested": True}
        changes |= {"notice_due_at": Now() if settings.ORDER_NOTICES else None, "notice_retry_count": 0}
        return moves.move(payment, to=Status.VOIDED, extra=extra, settled_reason=reason, **changes)
    waiting = list(_waiting_refunds(payment))
    if not waiting:
        raise NotBlocked
    for refund, amount in waiting:
        payment = refunds.succeed_by_hand(payment, refund, amount=amount, reason=reason, extra=extra)
    return payment


def _by(by: str, extra: events.Extra) -> events.Extra:
    return {**extra, "by": by} if by else extra


def _blocked(payment: Payment) -> Payment:
    locked = Payment.objects.select_for_update().get(pk=payment.pk)
    if not locked.blocked:
        raise NotBlocked
    return locked


def _waiting_refunds(payment: Payment) -> Iterator[tuple[Refund, Decimal]]:
    """The refunds that wait for a person, oldest first, each with what it can still give back."""
    left = payment.refundable
    waiting = Refund.objects.filter(payment=payment, blocked_at__isnull=False, status=RefundStatus.FAILED.value)
    for refund in waiting.order_by("number"):
        amount = left if refund.for_void else min(refund.amount, left)
        if amount > 0:
            left -= amount
            yield refund, amount
