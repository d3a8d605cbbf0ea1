"""Every check of this service."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from payment_service.payments.models import Payment, Refund
from payment_service.payments.ops.audit import gateway
from payment_service.payments.ops.audit.ledger import payment_pass
from servicekit.events.invariants import event_pass
from servicekit.idempotency.invariants import Named, key_pass, uuids_in
from servicekit.invariants.checker import Pass, Waiting
from servicekit.webhooks import endpoints
from servicekit.webhooks import events as webhooks
from servicekit.webhooks.invariants import passes as webhook_passes

# The field of an answer in which something is named → what that is.
_NAMED_IN = {"id": "payment", "payment_id": "payment number", "refund_id": "refund", "transaction_id": "transaction"}


def passes(quiet_for_s: float) -> Sequence[Pass]:
    """In the order in which they are reported."""
    existing = {
        "payment": _payments,
        "payment number": _numbers,
        "refund": _refunds,
        "transaction": _transactions,
    }
    return (
        payment_pass(quiet_for_s),
        *gateway.passes(),
        event_pass({"payment": _payments, webhooks.AGGREGATE: endpoints.existing}, quiet_for_s=quiet_for_s),
        key_pass(_named, existing),
        *webhook_passes(quiet_for_s),
    )


def waiting() -> Iterable[Waiting]:
    """What a gateway refuses for good; it may be money of an order that is cancelled."""
    if count := Payment.objects.filter(blocked_at__isnull=False).count():
        yield Waiting("blocked payments", count, "manage.py blocked_payments lists them")


def _named(scope: str, body: Mapping[str, Any]) -> Iterable[Named]:
    if "/api/webhooks" in scope:
        return []
    return [Named(kind, str(body[name])) for name, kind in _NAMED_IN.items() if body.get(name) is not None]


def _payments(ids: Collection[str]) -> Collection[str]:
    return {str(uid) for uid in Payment.objects.filter(uid__in=uuids_in(ids)).values_list("uid", flat=True)}


def _refunds(ids: Collection[str]) -> Collection[str]:
    return {str(uid) for uid in Refund.objects.filter(uid__in=uuids_in(ids)).values_list("uid", flat=True)}


def _numbers(ids: Collection[str]) -> Collection[str]:
    numbers = [int(text) for text in ids if text.isascii() and text.isdigit()]
    return {str(number) for number in Payment.objects.filter(number__in=numbers).values_list("number", flat=True)}


def _transactions(ids: Collection[str]) -> Collection[str]:
    found = Payment.objects.filter(transaction_id__in=list(ids)).values_list("transaction_id", flat=True)
    return {text for text in found if text is not None}
