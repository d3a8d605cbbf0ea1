"""Local writes for captures and voids of money that is set aside. One transaction each."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Case, F, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from payment_service.payments import events, states
from payment_service.payments.errors import (
    CaptureExceedsAuthorized,
    NotCapturable,
    PaymentBusy,
    PaymentVoided,
)
from payment_service.payments.gateways.base import Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment
from payment_service.payments.states import Operation, Status
from payment_service.payments.writes import moves
from payment_service.payments.writes.moves import move
from servicekit import money
from servicekit.db import clock, rows
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow


@in_one_transaction
def request_void(payment: Payment) -> Payment:
    """Remember that no money may be held for this order. Safe to repeat, whoever has the payment at the moment.

    Leaves the version alone where somebody may be waiting for a gateway: their answer is recorded first, and the void
    is due right after it. A FAILED payment is closed by a new version, so that no new attempt can start from the old.
    """
    # By its id: an import may give a payment that failed elsewhere another number, and its own to another payment.
    same = Payment.objects.filter(uid=payment.uid)
    same.filter(status=Status.FAILED.value, void_requested=False).update(
        void_requested=True, version=F("version") + 1, updated_at=timezone.now()
    )
    open_statuses = [status.value for status in states.VOIDABLE]
    # What waits for its payer has a time to look again, which is nobody's lease: the void is due now.
    due_at = Case(When(status=Status.REQUIRES_ACTION.value, then=Now()), default=Coalesce("due_at", Now()))
    same.filter(status__in=open_statuses, void_requested=False).update(void_requested=True, due_at=due_at)
    return same.get()


@in_one_transaction
def finish_void(payment: Payment, outcome: Outcome) -> Payment:
    """Record the answer to a void of money that was set aside. A "not now" is asked again later, under a key of its
    own; a refusal for good leaves the money to a person.

    Raises:
        StaleRow: the lease ran out and somebody else has the payment.
    """
    if isinstance(outcome, Declined):
        return _keep_set_aside(payment, outcome)
    return move(payment, to=Status.VOIDED, voided_at=timezone.now(), failure_code="", error_message="")


@in_one_transaction(durable=True)
def start_capture(payment: Payment, *, amount: Decimal) -> Payment:
    """Record the intent to take money that was set aside.

    Raises:
        NotCapturable, PaymentVoided, PaymentBusy: its state does not allow it, or not now.
        CaptureExceedsAuthorized: more than was set aside.
    """
    if payment.status != Status.AUTHORIZED:
        raise NotCapturable(status=payment.status)
    if payment.void_requested:
        raise PaymentVoided
    if payment.capture_asked is not None:
        raise PaymentBusy
    if amount > payment.amount:
        raise CaptureExceedsAuthorized(requested=amount, authorized=payment.amount)
    intent = {
        "capture_asked": money.two_decimals(amount),
        "attempt": payment.attempt + 1,
        "version": payment.version + 1,
        "due_at": clock.seconds_from_now(settings.PAYMENT_LEASE_S),
    }
    try:
        return rows.update(payment, intent, as_read=("version", "void_requested"))
    except StaleRow:
        raise PaymentBusy from None


@in_one_transaction
def finish_capture(payment: Payment, outcome: Outcome) -> Payment:
    """Record the answer to a capture; a refusal leaves the money set aside, one for good where a person sees it.

    Raises:
        StaleRow: the lease ran out and somebody else has the payment.
    """
    if isinstance(outcome, Declined):
        return _leave_uncaptured(payment, outcome)
    return move(
        payment,
        to=Status.CAPTURED,
        captured=payment.capture_asked,
        capture_asked=None,
        captured_at=timezone.now(),
        notice_due_at=Now() if payment.notify_order else None,
        failure_code="",
        error_message="",
    )


def _keep_set_aside(payment: Payment, refusal: Declined) -> Payment:
    """What comes of a void that was refused."""
    attempt = payment.attempt + 1
    if refusal.retryable:
        later = clock.seconds_from_now(moves.DECLINED.wait_s(payment.retry_count))
        return _note_refusal(payment, refusal, attempt=attempt, retry_count=payment.retry_count + 1, due_at=later)
    extra = events.Extra(held=money.two_decimals(payment.amount))
    return moves.block(payment, Operation.VOID, refusal, extra=extra, attempt=attempt, **_noted(refusal))


def _leave_uncaptured(payment: Payment, refusal: Declined) -> Payment:
    """What comes of a capture that was refused."""
    changes: dict[str, Any] = {"capture_asked": None, "due_at": moves.WHEN_VOID_REQUESTED}
    if refusal.retryable or payment.void_requested:
        return _note_refusal(payment, refusal, **changes)
    extra = events.Extra(asked=money.two_decimals(payment.capture_asked or payment.amount))
    return moves.block(payment, Operation.CAPTURE, refusal, extra=extra, **changes, **_noted(refusal))


def _noted(refusal: Declined) -> dict[str, Any]:
    return {"failure_code": refusal.code, "error_message": refusal.message[:MAX_MESSAGE_LENGTH]}


def _note_refusal(payment: Payment, outcome: Declined, **changes: object) -> Payment:
    written = {"version": payment.version + 1, "updated_at": timezone.now(), **_noted(outcome), **changes}
    return moves.update(payment, written)
