"""Reading the ledger. Nothing in here writes."""

from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Now

from payment_service.payments.errors import PaymentNotFound
from payment_service.payments.models import Payment, Refund
from servicekit.events import store

# Of one payment in its record, which has no pages; a cent at a time can be given back without end.
MAX_REFUNDS: Final = 100
MAX_EVENTS: Final = 1000


def payment_of_order(order_id: str) -> Payment:
    """The payment of an order, by its canonical id.

    Raises:
        PaymentNotFound: there is none.
    """
    return _one(find_payment_of_order(order_id))


def find_payment_of_order(order_id: str) -> Payment | None:
    return Payment.objects.filter(order_id=order_id).first()


def action_is_over(payment: Payment) -> bool:
    """Whether its payer has had all the time that there was to confirm it, by the database's clock."""
    return Payment.objects.filter(pk=payment.pk, action_expires_at__lte=Now()).exists()


def payment_by_number(number: int) -> Payment:
    return _one(Payment.objects.filter(pk=number).first())


def payment_by_uid(uid: UUID) -> Payment:
    return _one(Payment.objects.filter(uid=uid).first())


def payment_opened_by(request_uid: UUID) -> Payment | None:
    """The payment that this very request has opened, in a run that died before its answer."""
    return Payment.objects.filter(uid=request_uid).first()


def payment_by_transaction(transaction_id: str) -> Payment:
    if "\0" in transaction_id:  # which PostgreSQL does not even take to look for it
        raise PaymentNotFound
    return _one(Payment.objects.filter(transaction_id=transaction_id).first())


def refunds_of(payment: Payment) -> list[Refund]:
    """A payment's refunds, oldest first; of very many the newest `MAX_REFUNDS`."""
    newest = list(Refund.objects.filter(payment=payment).order_by("-number")[:MAX_REFUNDS])
    return newest[::-1]


def blocked() -> list[Payment]:
    """What a gateway refuses for good, oldest first. Reads the small index of them."""
    return list(Payment.objects.filter(blocked_at__isnull=False).order_by("blocked_at"))


def trail_of(payment: Payment) -> list[dict[str, Any]]:
    """The payment's audit trail, oldest first; of a very long one its newest part."""
    return store.of("payment", str(payment.uid), newest=MAX_EVENTS)


def _one(payment: Payment | None) -> Payment:
    if payment is None:
        raise PaymentNotFound
    return payment
