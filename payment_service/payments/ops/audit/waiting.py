"""What is left to do for a payment, and for how long at least it has been."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.writes.moves import PEER_DOWN


def left_undone(payment: Payment, refunds: Sequence[Refund], *, now: datetime, quiet_for: timedelta) -> Iterator[str]:
    """What has been left undone for `quiet_for` or longer, and what no worker will ever take up."""
    pending = [refund for refund in refunds if refund.status == RefundStatus.PENDING]
    waits = payment.awaits_answer or payment.status == Status.REQUIRES_ACTION
    if waits and payment.due_at is None:
        yield f"it is {payment.status} and no worker will ever take it up: due_at is NULL"
    for refund in pending:
        if refund.due_at is None:
            yield f"refund {refund.uid} is PENDING and no worker will ever take it up: due_at is NULL"
        elif now - refund.created_at >= quiet_for:
            yield f"refund {refund.uid} is PENDING for {_seconds(now - refund.created_at)}"
    if payment.action_expires_at is not None and now - payment.action_expires_at >= quiet_for:
        yield f"its payer's time to confirm it was over {_seconds(now - payment.action_expires_at)} ago"
    if payment.due_at is not None:
        # An attempt begins with a change of the row; for the rest only the waits so far say how long it has been.
        since = now - payment.updated_at if payment.status == Status.PROCESSING else timedelta(0)
        waited = max(since, at_least_waited(now - payment.due_at, retry_count=payment.retry_count))
        if waited >= quiet_for:
            yield f"it is {payment.status} with work left to do for {_seconds(waited)} or longer"
    if payment.notice_due_at is not None:
        waited = at_least_waited(now - payment.notice_due_at, retry_count=payment.notice_retry_count)
        if waited >= quiet_for:
            yield f"the order service has not heard of it for {_seconds(waited)} or longer"


def at_least_waited(overdue: timedelta, *, retry_count: int) -> timedelta:
    """For how long a row has been due at the least: all its waits so far, or since it fell due."""
    return max(overdue, timedelta(seconds=PEER_DOWN.waited_s(retry_count - 1)), timedelta(0))


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.0f} s"
