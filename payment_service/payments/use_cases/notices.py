"""Telling the order service to look at a payment again: after captures that it did not ask for, and after refunds.

A notice carries no claim; the order service asks for the payment itself. So it can be repeated, late or twice.
"""

import threading
from functools import partial
from typing import Final

from django.db.models.functions import Now

from payment_service.payments import clients, reads
from payment_service.payments.models import Payment
from payment_service.payments.writes import notices
from servicekit.runtime import workers

# Fewer than any server has threads.
_sending: Final = threading.BoundedSemaphore(2)
# One round: few enough to stop soon when asked to.
BATCH: Final = 50
# One may have a reason of its own; so many are an outage.
UNHEARD_IN_A_ROW: Final = 3


def send_now(payment: Payment) -> None:
    """Tell the order service while the client waits, unless too many already do; then the worker tells it.

    Hearing of a payment the order service asks for it, here: with every thread waiting for it to have done so, nobody
    would be left to answer.
    """
    if not _sending.acquire(blocking=False):
        return
    try:
        send(payment)
    finally:
        _sending.release()


def send(payment: Payment) -> bool:
    """Tell the order service; whether it has heard. If not, the worker will try again."""
    has_heard = clients.order_service().look_again(payment.order_id)
    if has_heard:
        notices.acknowledge(payment)
    else:
        notices.retry_later(payment)
    return has_heard


def notices_once() -> int:
    """Tell the order service of a batch of payments, oldest first; return how many it has heard of.

    Ends after a few in a row that are not heard: the others would not be either.
    """
    heard = unheard_in_a_row = 0
    due = Payment.objects.filter(notice_due_at__lte=Now()).order_by("notice_due_at")
    for number in list(due.values_list("pk", flat=True)[:BATCH]):
        retry_later = partial(notices.retry_unreadable_later, number)
        has_heard = workers.isolated("notices", number, partial(_send, number), retry_later=retry_later)
        heard += bool(has_heard)
        unheard_in_a_row = unheard_in_a_row + 1 if has_heard is False else 0
        if unheard_in_a_row == UNHEARD_IN_A_ROW:
            break
    return heard


def _send(number: int) -> bool:
    return send(reads.payment_by_number(number))
