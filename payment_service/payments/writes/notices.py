"""Remembering that the order service is to be told. One transaction each."""

from typing import Final

from django.db.models import F

from payment_service.payments.models import Payment
from payment_service.payments.writes.moves import FIRST_WAIT_S, LONGEST_WAIT_S
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction

# 2^20 s is far above the longest wait; it only keeps the number small.
_MOST_DOUBLINGS: Final = 20


@in_one_transaction
def acknowledge(payment: Payment) -> None:
    """The order service has heard. What happened to the payment since it was read has a notice of its own to come."""
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(notice_due_at=None, notice_tries=0)


@in_one_transaction
def postpone_notice(payment: Payment) -> None:
    """Tell it later, each time a little later."""
    wait_s = _wait_s(payment.notice_tries)
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(
        notice_due_at=clock.seconds_from_now(wait_s), notice_tries=F("notice_tries") + 1
    )


def set_aside(number: int, _why: str) -> None:
    """One whose notice could not be sent, for a reason that is no outage. Nothing else of the row is read."""
    tries = Payment.objects.values_list("notice_tries", flat=True).get(pk=number)
    Payment.objects.filter(pk=number, notice_due_at__isnull=False).update(
        notice_due_at=clock.seconds_from_now(_wait_s(tries)), notice_tries=F("notice_tries") + 1
    )


def _wait_s(tries: int) -> float:
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, _MOST_DOUBLINGS))
