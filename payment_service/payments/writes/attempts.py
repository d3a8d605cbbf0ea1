"""Opening a payment and recording what became of asking the gateway for it. Local writes, one transaction each.

An intent is written in a durable transaction, here and in the neighbours: Django then refuses to make it part of a
larger one, in which it would not be kept by the time the gateway is asked.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import states
from payment_service.payments.errors import PaymentVoided
from payment_service.payments.gateways.base import ActionRequired, Approved, Declined, Outcome
from payment_service.payments.models import MAX_MESSAGE_LENGTH, NOTHING, Payment
from payment_service.payments.states import Status
from payment_service.payments.writes.moves import AtOnceWhereVoided, append_status_event, move
from servicekit import money
from servicekit.db import clock, fast_sql
from servicekit.db.transactions import in_one_transaction

# Seconds after which a payment that waits for its payer is first looked at, whatever its gateway tells by itself.
FIRST_LOOK_S: Final = 5.0
# References are drawn from 2^32 a day, so with 100,000 payments a day one in 40,000 is drawn twice; five times never.
REFERENCE_DRAWS: Final = 5


@dataclass(frozen=True)
class Asked:
    """A charge that a client asks for. `order_id` is canonical, `uid` becomes the payment's id if it is the first."""

    uid: UUID
    order_id: str
    amount: Decimal
    currency: str
    method: str
    token: str = ""
    capture: bool = True
    notify_order: bool = False


def open_processing(asked: Asked, *, gateway: str) -> Payment | None:
    """Record the intent to charge, before anybody is asked. None when the order has a payment already."""
    payment = _row(asked, gateway=gateway, status=Status.PROCESSING)
    payment.token = asked.token
    payment.due_at = clock.seconds_from_now(settings.PAYMENT_LEASE_S)
    return payment if _insert(payment, durable=True) else None


def open_concluded(asked: Asked, *, gateway: str, outcome: Outcome) -> Payment | None:
    """Record a charge together with its outcome, for a gateway without outside effect: one transaction in all.

    None when the order has a payment already; then nothing was written.
    """
    payment = _concluded(asked, gateway, outcome)
    return payment if _insert(payment) else None


def include_concluded(asked: Asked, *, gateway: str, outcome: Outcome) -> Payment:
    """Like `open_concluded`, as a part of the caller's transaction and without a savepoint in it.

    Raises:
        IntegrityError: the order has a payment already, and the transaction is lost.
    """
    payment = _concluded(asked, gateway, outcome)
    payment.reference = _draw_reference(payment.created_at)
    _insert_with_event(payment)
    return payment


def open_voided(order_id: str) -> Payment | None:
    """Leave a tombstone for an order that has no payment. None when it has one."""
    asked = Asked(
        uid=uuid4(),
        order_id=order_id,
        amount=NOTHING,
        currency=settings.DEFAULT_CURRENCY,
        method=settings.DEFAULT_PAYMENT_METHOD,
    )
    payment = _row(asked, gateway="", status=Status.VOIDED)
    payment.void_requested = True
    payment.voided_at = payment.created_at
    return payment if _insert(payment) else None


@in_one_transaction(durable=True)
def start_attempt(payment: Payment, asked: Asked, *, gateway: str) -> Payment:
    """Record the intent to try a FAILED payment again, as it is asked for now.

    Raises:
        StaleRow: somebody else was faster.
        PaymentVoided: no charge is wanted for this order any more.
    """
    if payment.void_requested:
        raise PaymentVoided
    return move(
        payment,
        to=Status.PROCESSING,
        attempt=payment.attempt + 1,
        amount=money.two_decimals(asked.amount),
        currency=asked.currency,
        method=asked.method,
        gateway=gateway,
        token=asked.token,
        auto_capture=asked.capture,
        notify_order=asked.notify_order,
        failure_code="",
        error_message="",
        retryable=None,
        payment_intent_id=None,
        provider_response=None,
        due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S),
    )


@in_one_transaction
def finish_attempt(payment: Payment, outcome: Outcome) -> Payment:
    """Record what became of the running attempt.

    Raises:
        StaleRow: the lease ran out and somebody else has the payment; what they find out counts.
    """
    to, changes = _conclusion(payment.amount, payment.auto_capture, payment.notify_order, outcome)
    return move(payment, to=to, token="", **changes)


@in_one_transaction
def await_action(payment: Payment, action: ActionRequired) -> Payment:
    """Record that the payer has to confirm the running attempt, for which there is `PAYMENT_ACTION_EXPIRES_S`.

    Raises:
        StaleRow: the lease ran out and somebody else has the payment.
    """
    move(
        payment,
        to=Status.REQUIRES_ACTION,
        token="",
        payment_intent_id=action.payment_intent_id,
        provider_response=dict(action.response) or None,
        action_url=action.url,
        action_expires_at=clock.seconds_from_now(settings.PAYMENT_ACTION_EXPIRES_S),
        due_at=AtOnceWhereVoided(clock.seconds_from_now(min(FIRST_LOOK_S, settings.PAYMENT_ACTION_EXPIRES_S))),
    )
    return Payment.objects.get(pk=payment.pk)  # with the time until which it waits, by the database's clock


@in_one_transaction
def finish_action(payment: Payment, outcome: Outcome) -> Payment:
    """Record what became of an attempt that waited for its payer; the order service is told.

    What took nothing is VOIDED where no money is wanted for the order any more, else FAILED.

    Raises:
        StaleRow: somebody else has the payment.
    """
    to, changes = _conclusion(payment.amount, payment.auto_capture, payment.notify_order, outcome)
    if to is Status.FAILED and payment.void_requested:
        to, changes = Status.VOIDED, {"voided_at": timezone.now()}
    changes |= {"action_url": "", "action_expires_at": None}
    changes |= {"notice_due_at": Now() if settings.ORDER_NOTICES else None, "notice_retry_count": 0}
    return move(payment, to=to, **changes)


def _row(asked: Asked, *, gateway: str, status: Status) -> Payment:
    now = timezone.now()
    return Payment(
        uid=asked.uid,
        order_id=asked.order_id,
        amount=money.two_decimals(asked.amount),
        currency=asked.currency,
        method=asked.method,
        gateway=gateway,
        status=status.value,
        taken=states.TAKEN[status],
        auto_capture=asked.capture,
        notify_order=asked.notify_order,
        created_at=now,
        updated_at=now,
    )


def _concluded(asked: Asked, gateway: str, outcome: Outcome) -> Payment:
    to, changes = _conclusion(asked.amount, asked.capture, asked.notify_order, outcome)
    payment = _row(asked, gateway=gateway, status=to)
    for name, value in changes.items():
        setattr(payment, name, value)
    return payment


def _insert(payment: Payment, *, durable: bool = False) -> bool:
    """Insert a new payment and its event; False when its order has one already. The unique order id decides."""
    insert = in_one_transaction(durable=durable)(_insert_with_event)
    for draw in range(1, REFERENCE_DRAWS + 1):
        payment.reference = _draw_reference(payment.created_at)
        try:
            insert(payment)
        except IntegrityError:
            payment.pk = None
            if Payment.objects.filter(order_id=payment.order_id).exists():
                return False
            if draw == REFERENCE_DRAWS:
                raise
        else:
            return True
    return False


def _insert_with_event(payment: Payment) -> None:
    fast_sql.insert(payment)
    append_status_event(payment)


def _draw_reference(moment: datetime) -> str:
    return f"ECI{moment:%Y%m%d}-{secrets.token_hex(4).upper()}"


def _conclusion(amount: Decimal, capture: bool, notify_order: bool, outcome: Outcome) -> tuple[Status, dict[str, Any]]:
    """The status that an outcome leads to, and the columns that come with it."""
    now = timezone.now()
    if isinstance(outcome, Declined):
        return Status.FAILED, {
            "failed_at": now,
            "failure_code": outcome.code,
            "error_message": outcome.message[:MAX_MESSAGE_LENGTH],
            "retryable": outcome.retryable,
            "provider_response": dict(outcome.response) or None,
        }
    said = _said(outcome)
    if not capture:
        return Status.AUTHORIZED, {**said, "authorized_at": now}
    notice_due_at = Now() if notify_order else None
    return Status.CAPTURED, {**said, "captured": amount, "captured_at": now, "notice_due_at": notice_due_at}


def _said(outcome: Approved) -> dict[str, Any]:
    return {
        "transaction_id": outcome.transaction_id,
        "payment_intent_id": outcome.payment_intent_id,
        "provider_response": dict(outcome.response) or None,
    }
