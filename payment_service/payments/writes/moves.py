"""The one door through which a payment changes its status, and the lease by which one worker at a time has it."""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from payment_service.payments import events, reads, states
from payment_service.payments.gateways.base import Declined
from payment_service.payments.models import MAX_MESSAGE_LENGTH, Payment, Refund
from payment_service.payments.states import Operation, Status
from servicekit import money
from servicekit.db import clock, rows
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow
from servicekit.events import store
from servicekit.retry import Backoff

log = structlog.get_logger()

# The first wait after a failure, and the longest: what is stuck is settled soon after whatever was down is back.
PEER_DOWN: Final = Backoff(first_s=1.0, longest_s=30.0)
# A gateway that says no to giving money back will hardly say yes half a minute later; a person may have to look.
DECLINED: Final = Backoff(first_s=1.0, longest_s=3600.0)
# What a payment is that waits for nobody.
UNBLOCKED: Final[Mapping[str, Any]] = {"blocked": "", "blocked_reason": "", "blocked_at": None}


@dataclass(frozen=True)
class AtOnceWhereVoided:
    """As `due_at` for `update`: at once where a void waits to be carried out, `otherwise` where none does."""

    otherwise: Any = None


WHEN_VOID_REQUESTED: Final[Any] = AtOnceWhereVoided()
_ANY_STATUS: Final[Mapping[str, Collection[Status]]] = {}


def update(
    payment: Payment,
    written: Mapping[str, Any],
    *,
    as_read: tuple[str, ...] = ("version",),
    among: Mapping[str, Collection[Status]] = _ANY_STATUS,
    is_due: bool = False,
) -> Payment:
    """Write to a payment as it was read; returns it as it is now. Arguments as for `rows.update`.

    A void is asked for without a new version, and decides what is due and whether anything is charged again. So the
    flag must be as it was read, too; where a void has come in since then, the same is written with the flag set.

    Raises:
        StaleRow: it is no longer as it was read. Nothing was written.
    """
    try:
        return _update(payment, written, as_read, among, is_due)
    except StaleRow:
        same = Payment.objects.filter(pk=payment.pk, version=payment.version, void_requested=True)
        if payment.void_requested or not same.exists():
            raise
    voided = copy(payment)
    voided.void_requested = True
    return _update(voided, written, as_read, among, is_due)


def _update(
    payment: Payment,
    written: Mapping[str, Any],
    as_read: tuple[str, ...],
    among: Mapping[str, Collection[Status]],
    is_due: bool,
) -> Payment:
    due_at = written.get("due_at")
    if isinstance(due_at, AtOnceWhereVoided):
        written = {**written, "due_at": Now() if payment.void_requested else due_at.otherwise}
    return rows.update(payment, written, as_read=(*as_read, "void_requested"), among=among, is_due=is_due)


def move(payment: Payment, *, to: Status, extra: events.Extra | None = None, **changes: Any) -> Payment:
    """Move a payment, as it was read, to another status, and append the event. Call it in a transaction.

    Whatever a remembered void still has to do becomes due with the move, and what a person was to look at is over.

    Args:
        extra: What the event says on top of the payment's own data.

    Raises:
        StaleRow: the row is no longer as it was read, or `to` cannot be reached from where it is.
    """
    written = {
        "due_at": WHEN_VOID_REQUESTED if to in states.VOIDABLE else None,
        "retry_count": 0,
        "updated_at": timezone.now(),
        **UNBLOCKED,
        **changes,
        "status": to.value,
        "taken": states.TAKEN[to],
        "version": payment.version + 1,
    }
    # An import may have given the number to another payment since: the id must be the same, too.
    moved = update(payment, written, as_read=("uid", "version"), among={"status": states.sources_of(to)})
    append_status_event(moved, extra)
    return moved


def block(payment: Payment, operation: Operation, refusal: Declined, *, extra: events.Extra, **changes: Any) -> Payment:
    """Leave to a person what the gateway refuses for good, and append the event. Call it in a transaction.

    The order service is told where money is kept that was to go back.

    Args:
        extra: What the event says on top: how much was asked for.

    Raises:
        StaleRow: the payment is no longer as it was read.
    """
    if operation in states.KEEPS_MONEY and settings.ORDER_NOTICES:
        changes |= {"notice_due_at": Now(), "notice_retry_count": 0}
    now = timezone.now()
    written = {"due_at": None, "retry_count": 0, "updated_at": now, "version": payment.version + 1, **changes}
    written |= {"blocked": operation.value, "blocked_reason": refusal.message[:MAX_MESSAGE_LENGTH], "blocked_at": now}
    blocked = update(payment, written)
    refused = events.Extra(failure_code=refusal.code, reason=blocked.blocked_reason)
    append_event(blocked, states.BLOCKED_EVENTS[operation], {**refused, **extra})
    log.error(states.BLOCKED_EVENTS[operation], payment_id=str(payment.uid), failure_code=refusal.code)
    return blocked


def append_status_event(payment: Payment, extra: events.Extra | None = None) -> None:
    """Append the event of the status that the payment has just got, if that has one."""
    event_type = states.EVENTS.get(Status(payment.status))
    if event_type is not None:
        append_event(payment, event_type, extra)


def append_event(payment: Payment, event_type: str, extra: events.Extra | None = None) -> None:
    """Append an event of a payment that is as it says. Call it in the transaction that makes it so."""
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
    data.update(extra or {})
    store.append(
        event_type, aggregate_type=events.AGGREGATE, aggregate_id=str(payment.uid), sequence=payment.version, data=data
    )


@in_one_transaction(durable=True)
def claim(payment: Payment) -> Payment | None:
    """Take a payment that is due, for as long as a lease lasts; None when it is not due, or somebody was faster."""
    if payment.due_at is None:
        return None
    lease = {"version": payment.version + 1, "due_at": clock.seconds_from_now(settings.PAYMENT_LEASE_S)}
    try:
        return update(payment, lease, is_due=True)
    except StaleRow:
        return None


@in_one_transaction
def retry_later(payment: Payment) -> Payment:
    """Give a claimed payment back for later, each time a little later. Nothing happens when the claim is lost."""
    count = payment.retry_count
    written = {"due_at": clock.seconds_from_now(PEER_DOWN.wait_s(count)), "retry_count": count + 1}
    try:
        return update(payment, written)
    except StaleRow:
        return reads.payment_by_number(payment.number)


def retry_unreadable_later(model: type[Payment] | type[Refund], number: int, _why: str) -> None:
    """A payment or refund that could not be worked on, for a reason that is no outage: later, longer each time.

    Nothing else of the row is read, for that may be just what cannot be done.
    """
    count = model.objects.values_list("retry_count", flat=True).get(pk=number)
    model.objects.filter(pk=number, due_at__isnull=False).update(
        due_at=clock.seconds_from_now(DECLINED.wait_s(count)), retry_count=F("retry_count") + 1
    )


@in_one_transaction
def leave_unknown(payment: Payment) -> Payment:
    """Give a payment back whose answer was lost: whoever comes next may find out at once."""
    try:
        return update(payment, {"due_at": Now()})
    except StaleRow:
        return reads.payment_by_number(payment.number)


@in_one_transaction
def look_again_later(payment: Payment, *, in_s: float) -> Payment:
    """Give a claimed payment back that still waits for its payer; a void that came in meanwhile is due at once."""
    try:
        return update(payment, {"due_at": AtOnceWhereVoided(clock.seconds_from_now(in_s)), "retry_count": 0})
    except StaleRow:
        return reads.payment_by_number(payment.number)


@in_one_transaction
def make_due(order_id: str) -> None:
    """Something came of the charge of an order, its gateway says: whoever carries on asks it what."""
    undecided = [status.value for status in states.UNDECIDED]
    Payment.objects.filter(order_id=order_id, status__in=undecided).update(due_at=Now())


@in_one_transaction
def rest(payment: Payment) -> Payment:
    """Nothing is left to do for a claimed payment; a void that came in since it was read keeps it due."""
    try:
        return rows.update(payment, {"due_at": None, "retry_count": 0}, as_read=("version", "void_requested"))
    except StaleRow:
        return reads.payment_by_number(payment.number)
