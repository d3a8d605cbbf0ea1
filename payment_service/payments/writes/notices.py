"""Remembering that the order service is to be told. One transaction each."""

from django.db.models import F

from payment_service.payments.models import Payment
from payment_service.payments.writes.moves import PEER_DOWN
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction


@in_one_transaction
def acknowledge(payment: Payment) -> None:
    """The order service has heard. What happened to the payment since it was read has a notice of its own to come."""
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(notice_due_at=None, notice_tries=0)


@in_one_transaction
def postpone_notice(payment: Payment) -> None:
    """Tell it later, each time a little later."""
    Payment.objects.filter(pk=payment.pk, version=payment.version).update(
        notice_due_at=clock.seconds_from_now(PEER_DOWN.wait_s(payment.notice_tries)), notice_tries=F("notice_tries") + 1
    )


def set_aside(number: int, _why: str) -> None:
    """One whose notice could not be sent, for a reason that is no outage. Nothing else of the row is read."""
    tries = Payment.objects.values_list("notice_tries", flat=True).get(pk=number)
    Payment.objects.filter(pk=number, notice_due_at__isnull=False).update(
        notice_due_at=clock.seconds_from_now(PEER_DOWN.wait_s(tries)), notice_tries=F("notice_tries") + 1
    )
