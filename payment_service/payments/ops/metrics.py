"""What `/metrics` tells of payments: how they ended, and what is unfinished."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from payment_service.payments.models import Dispute, Payment, Refund
from payment_service.payments.states import DisputeStatus, Operation, RefundStatus, Status
from servicekit.events.metrics import EventCounter, Labels, count, no_labels
from servicekit.observability.metrics import age_s, gauge
from servicekit.webhooks import metrics as webhooks


def _method(data: Mapping[str, Any]) -> Labels:
    return (data["method"],)


def _ended(outcome: str) -> Callable[[Mapping[str, Any]], Labels]:
    return lambda data: (data["method"], outcome)


def _dispute(data: Mapping[str, Any]) -> Labels:
    return (data["dispute_status"],)


TO_CONFIRM: Final = EventCounter(
    "payments_to_confirm", "Charges that their payers had to confirm.", {"payment.requires_action": no_labels}
)
FAILED: Final = EventCounter("payments_failed", "Charges that took nothing.", {"payment.failed": no_labels})
REFUNDED: Final = EventCounter(
    "payments_refunded", "Refunds whose money went back, in parts or in full.", {"payment.refunded": no_labels}
)


DISPUTES: Final = EventCounter(
    "payments_disputes",
    "Disputes of payments, by where they stand: OPEN (that were opened), WON, LOST.",
    {"payment.disputed": _dispute, "payment.dispute_closed": _dispute},
    label_names=("status",),
    known=(("OPEN",), ("WON",), ("LOST",)),
)


def outcomes() -> Iterator[Metric]:
    """The counters."""
    by_method = EventCounter(
        "payments_by_method",
        "Charges that took money or failed, by payment method.",
        {"payment.successful": _method, "payment.failed": _method},
        label_names=("method",),
        known=tuple((method,) for method in settings.PAYMENT_GATEWAYS),
    )
    charged = EventCounter(
        "payments_charged",
        "Charges by payment method and how they ended: succeeded (they took money) or failed.",
        {"payment.successful": _ended("succeeded"), "payment.failed": _ended("failed")},
        label_names=("method", "outcome"),
        known=tuple((method, outcome) for method in settings.PAYMENT_GATEWAYS for outcome in ("succeeded", "failed")),
    )
    return count((TO_CONFIRM, FAILED, REFUNDED, by_method, charged, DISPUTES, webhooks.DISABLED))


def unfinished() -> Iterator[Metric]:
    """Payments and refunds without an answer. Reads the small indexes of rows that have a due time."""
    processing = Payment.objects.filter(due_at__isnull=False, status=Status.PROCESSING.value)
    # When the attempt began: finding out about it moves nothing.
    number, oldest = processing.aggregate(n=Count("number"), oldest=Min("updated_at")).values()
    yield gauge("payments_processing", "Payments that were asked for and have no answer yet.", number)
    yield gauge("payments_oldest_processing_age_seconds", "Age of the oldest of them.", age_s(oldest))
    to_confirm = Payment.objects.filter(action_expires_at__isnull=False)
    yield gauge("payments_awaiting_payer", "Payments that wait for their payers to confirm them.", to_confirm.count())
    pending = Refund.objects.filter(due_at__isnull=False, status=RefundStatus.PENDING.value)
    number, oldest = pending.aggregate(n=Count("number"), oldest=Min("created_at")).values()
    yield gauge("refunds_pending", "Refunds that were asked for and have no answer yet.", number)
    yield gauge("refunds_oldest_pending_age_seconds", "Age of the oldest of them.", age_s(oldest))
    yield from _blocked()
    yield from _disputed()


def _disputed() -> Iterator[Metric]:
    """What the payers' banks want back. Reads a small table."""
    is_open = Dispute.objects.filter(status=DisputeStatus.OPEN.value).order_by()
    yield gauge("payments_disputed", "Disputes of payments that are open.", is_open.count())


def _blocked() -> Iterator[Metric]:
    """What waits for a person. Reads the small index of it."""
    by_operation = {operation.value: 0 for operation in Operation}
    blocked = Payment.objects.filter(blocked_at__isnull=False).order_by()
    by_operation |= dict(blocked.values_list("blocked").annotate(Count("number")))
    family = GaugeMetricFamily(
        "payments_blocked",
        "Payments whose gateway refuses for good what is wanted, by what that is.",
        labels=["operation"],
    )
    for operation, number in by_operation.items():
        family.add_metric([operation], number)
    yield family
    oldest = blocked.aggregate(oldest=Min("blocked_at"))["oldest"]
    yield gauge("payments_oldest_blocked_age_seconds", "For how long the oldest of them has been.", age_s(oldest))
