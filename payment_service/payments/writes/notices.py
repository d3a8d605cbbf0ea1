"""Remembering that the order service is to be told. One transaction each."""

from contextlib import suppress

from django.db.models import F

from payment_service.payments.models import Payment
from payment_service.payments.writes.moves import PEER_DOWN
from servicekit.db import clock, rows
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import StaleRow


@in_one_transaction
def acknowledge(payment: Payment) -> None:
    """The order service has heard. What happened to the payment since it was read has a notice of its own to come."""
    with suppress(StaleRow):
        rows.update(payment, {"notice_due_at": None, "notice_retry_count": 0})


@in_one_transaction
def retry_later(payment: Payment) -> None:
    """Tell it later, each time a little later."""
    count = payment.notice_retry_count
    with suppress(StaleRow):
        due_at = clock.seconds_from_now(PEER_DOWN.wait_s(count))
        rows.update(payment, {"notice_due_at": due_at, "notice_retry_count": count + 1})


def retry_unreadable_later(number: int, _why: str) -> None:
    """One whose notice could not be sent, for a reason that is no outage. Nothing else of the row is read."""
    count = Payment.objects.values_list("notice_retry_count", flat=True).get(pk=number)
    Payment.objects.filter(pk=number, notice_due_at__isnull=False).update(
        notice_due_at=clock.seconds_from_now(PEER_DOWN.wait_s(count)), notice_retry_count=F("notice_retry_count") + 1
    )
