"""The one door through which a payment changes its status, and the lease by which one worker at a time has it."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.conf import settings
from django.db.models import Case, DateTimeField, F, When
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events, states
from payment_service.payments.errors import Overtaken
from payment_service.payments.gateways.base import Declined
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment, Refund
from payment_service.payments.states import Operation, Status
from servicekit import money
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction
from servicekit.events import store
from servicekit.retry import Backoff

log = structlog.get_logger()

# The first wait after a failure, and the longest: what is stuck is settled soon after whatever was down is back.
PEER_DOWN: Final = Backoff(first_s=1.0, longest_s=30.0)
# A gateway that says no to giving money back will hardly say yes half a minute later; a person may have to look.
DECLINED: Final = Backoff(first_s=1.0, longest_s=3600.0)
# What a payment is that waits for nobody.
UNBLOCKED: Final[Mapping[str, Any]] = {"blocked": "", "blocked_reason": "", "blocked_at": None}


def move(payment: Payment, *, to: Status, told: Mapping[str, Any] | None = None, **changes: Any) -> Payment:
    """Move a payment, as it was read, to another status, and record the event. Call it in a transaction.

    Whatever a remembered void still has to do becomes due with the move, and what a person was to look at is over.

    Args:
        told: What the event says on top of the payment's own data.

    Raises:
        Overtaken: the row is no longer as it was read, or `to` cannot be reached from where it is.
    """
    changes.setdefault("due_at", due_when_void_requested() if to in states.VOIDABLE else None)
    rows = Payment.objects.filter(
        pk=payment.pk,
        uid=payment.uid,  # an import may have given the number to another payment since
        version=payment.version,
        status__in=[source.value for source in states.sources_of(to)],
    )
    changes = {
        **UNBLOCKED,
        **changes,
        "status": to.value,
        "taken": states.TAKEN[to],
        "version": payment.version + 1,
    }
    if not rows.update(tries=0, updated_at=timezone.now(), **changes):
        raise Overtaken
    moved = Payment.objects.get(pk=payment.pk)
    tell(moved, told)
    return moved


def block(
    payment: Payment, operation: Operation, refusal: Declined, *, told: Mapping[str, Any], **changes: Any
) -> Payment:
    """Leave to a person what the gateway refuses for good, and record the event. Call it in a transaction.

    The order service is told where money is kept that was to go back.

    Args:
        told: What the event says on top: how much was asked for.

    Raises:
        Overtaken: the payment is no longer as it was read.
    """
    if operation in states.KEEPS_MONEY and settings.ORDER_NOTICES:
        changes |= {"notice_due_at": Now(), "notice_tries": 0}
    now = timezone.now()
    changes = {"due_at": None, "tries": 0, "updated_at": now, "version": payment.version + 1, **changes}
    changes |= {"blocked": operation.value, "blocked_reason": refusal.message[:MAX_MESSAGE_LENGTH], "blocked_at": now}
    if not Payment.objects.filter(pk=payment.pk, version=payment.version).update(**changes):
        raise Overtaken
    blocked = Payment.objects.get(pk=payment.pk)
    refused = {"failure_code": refusal.code, "reason": blocked.blocked_reason}
    record(blocked, states.BLOCKED_EVENTS[operation], {**refused, **told})
    log.error(states.BLOCKED_EVENTS[operation], payment_id=str(payment.uid), failure_code=refusal.code)
    return blocked


def due_when_void_requested() -> Case:
    """An SQL expression for `due_at`: at once where a void waits to be carried out, else never."""
    return Case(When(void_requested=True, then=Now()), default=None, output_field=DateTimeField())


def tell(payment: Payment, told: Mapping[str, Any] | None = None) -> None:
    """Record the event of the status that the payment has just got, if that has one."""
    event_type = states.EVENTS.get(Status(payment.status))
    if event_type is not None:
        record(payment, event_type, told)


def record(payment: Payment, event_type: str, told: Mapping[str, Any] | None = None) -> None:
    """Record an event of a payment that is as it says. Call it in the transaction that makes it so."""
    said = events.Payment(
        order_id=payment.order_id,
        number=payment.number,
        status=payment.status,
        amount=money.two_decimals(payment.amount),
        captured=money.two_decimals(payment.captured),
        refunded=money.two_decimals(payment.refunded),
        currency=payment.currency,
        method=payment.method,
        attempt=payment.attempt,
    )
    data: dict[str, Any] = {**said}
    if payment.blocked:
        data["blocked"] = payment.blocked
    if payment.failure_code:
        data["failure_code"] = payment.failure_code
    data.update(told or {})
    store.append(
        event_type, aggregate_type=events.AGGREGATE, aggregate_id=str(payment.uid), sequence=payment.version, data=data
    )


@in_one_transaction(durable=True)
def claim(payment: Payment) -> Payment | None:
    """Take a payment that is due, for as long as a lease lasts; None when it is not due, or somebody was faster."""
    if payment.due_at is None:
        return None
    rows = Payment.objects.filter(pk=payment.pk, version=payment.version, due_at__lte=Now())
    if not rows.update(version=payment.version + 1, due_at=clock.seconds_from_now(settings.PAYMENT_LEASE_S)):
        return None
    return Payment.objects.get(pk=payment.pk)


@in_one_transaction
def postpone(payment: Payment) -> Payment:
    """Give a claimed payment back for later, each time a little later. Nothing happens when the claim is lost."""
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(
        due_at=clock.seconds_from_now(PEER_DOWN.wait_s(payment.tries)), tries=F("tries") + 1
    )
    return Payment.objects.get(pk=payment.pk)


def set_aside(model: type[Payment] | type[Refund], number: int, _why: str) -> None:
    """A payment or refund that could not be worked on, for a reason that is no outage: later, longer each time.

    Nothing else of the row is read, for that may be just what cannot be done.
    """
    tries = model.objects.values_list("tries", flat=True).get(pk=number)
    model.objects.filter(pk=number, due_at__isnull=False).update(
        due_at=clock.seconds_from_now(DECLINED.wait_s(tries)), tries=F("tries") + 1
    )


@in_one_transaction
def leave_unknown(payment: Payment) -> Payment:
    """Give a payment back whose answer was lost: whoever comes next may find out at once."""
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(due_at=Now())
    return Payment.objects.get(pk=payment.pk)


@in_one_transaction
def rest(payment: Payment) -> Payment:
    """Nothing is left to do for a claimed payment; a void that came in since it was read keeps it due."""
    rows = Payment.objects.filter(pk=payment.pk, version=payment.version, void_requested=payment.void_requested)
    rows.update(due_at=None, tries=0)
    return Payment.objects.get(pk=payment.pk)
