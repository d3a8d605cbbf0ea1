"""Local writes for captures and voids of money that is set aside. One transaction each."""

from decimal import Decimal

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from payment_service.payments import states
from payment_service.payments.errors import (
    CaptureExceedsAuthorized,
    NotCapturable,
    Overtaken,
    PaymentBusy,
    PaymentVoided,
)
from payment_service.payments.gateways.base import Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment
from payment_service.payments.services.moves import due_when_void_requested, move
from payment_service.payments.states import Status
from servicekit import clock
from servicekit.transactions import in_one_transaction


@in_one_transaction
def request_void(payment: Payment) -> Payment:
    """Remember that no money may be held for this order. Safe to repeat, whoever has the payment at the moment.

    Leaves the version alone where somebody may be waiting for a gateway: their answer is recorded first, and the void
    is due right after it. A FAILED payment is closed by a new version, so that no new attempt can start from the old.
    """
    Payment.objects.filter(pk=payment.pk, status=Status.FAILED.value, void_requested=False).update(
        void_requested=True, version=F("version") + 1, updated_at=timezone.now()
    )
    open_statuses = [status.value for status in states.VOIDABLE]
    Payment.objects.filter(pk=payment.pk, status__in=open_statuses, void_requested=False).update(
        void_requested=True, due_at=Coalesce("due_at", Now())
    )
    return Payment.objects.get(pk=payment.pk)


@in_one_transaction
def finish_void(payment: Payment, outcome: Outcome) -> Payment:
    """Record the answer to a void of money that was set aside; a refusal leaves the payment as it is.

    Raises:
        Overtaken: the lease ran out and somebody else has the payment.
    """
    if isinstance(outcome, Declined):
        return _note_refusal(payment, outcome, attempt=payment.attempt + 1)
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
    rows = Payment.objects.filter(pk=payment.pk, version=payment.version, void_requested=False)
    if not rows.update(
        capture_asked=amount,
        attempt=payment.attempt + 1,
        version=payment.version + 1,
        due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S),
    ):
        raise PaymentBusy
    return Payment.objects.get(pk=payment.pk)


@in_one_transaction
def finish_capture(payment: Payment, outcome: Outcome) -> Payment:
    """Record the answer to a capture; a refusal leaves the money set aside.

    Raises:
        Overtaken: the lease ran out and somebody else has the payment.
    """
    if isinstance(outcome, Declined):
        return _note_refusal(payment, outcome, capture_asked=None, due_at=due_when_void_requested())
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


def _note_refusal(payment: Payment, outcome: Declined, **changes: object) -> Payment:
    rows = Payment.objects.filter(pk=payment.pk, version=payment.version)
    if not rows.update(
        version=payment.version + 1,
        failure_code=outcome.code,
        error_message=outcome.message[:MAX_MESSAGE_LENGTH],
        updated_at=timezone.now(),
        **changes,
    ):
        raise Overtaken
    return Payment.objects.get(pk=payment.pk)
