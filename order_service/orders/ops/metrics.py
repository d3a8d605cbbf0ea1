"""What `/metrics` tells of orders: how they ended, and what is unfinished."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from order_service.orders import reads, states
from order_service.orders.models import Order
from order_service.orders.states import Step
from servicekit.events.metrics import EventCounter, Labels, count, no_labels
from servicekit.observability.metrics import age_s, gauge
from servicekit.webhooks.metrics import DISABLED

OTHER_REASON: Final = "other"
# The reason that a client reads → a word for programs. Without the product, of which there are any number.
REASONS: Final[Mapping[str, str]] = {
    states.PAYMENT_FAILED: "payment_failed",
    states.PRODUCT_NOT_FOUND: "product_not_found",
    states.PRODUCT_OUT_OF_STOCK: "product_out_of_stock",
    states.PRODUCT_SERVICE_UNAVAILABLE: "product_service_unavailable",
    states.PRODUCT_SERVICE_UNUSABLE: "product_service_unusable",
    states.PRICE_HAS_DECIMALS: "price_has_decimals",
    states.NOTHING_TO_PAY: "nothing_to_pay",
    states.STOCK_NOT_HELD: "stock_not_held",
    states.TOTAL_TOO_LARGE: "total_too_large",
    states.NOT_PAID_IN_TIME: "not_paid_in_time",
    states.REFUNDED: "refunded",
    states.CANCELLED_ON_REQUEST: "cancelled_on_request",
}


# The same, where products and prices may stand for their names.
_TEMPLATES: Final = [
    (re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(reason))), word) for reason, word in REASONS.items()
]


def _reason(data: Mapping[str, Any]) -> Labels:
    """The word for a reason, whichever product and price it names."""
    return (next((word for template, word in _TEMPLATES if template.fullmatch(data["reason"])), OTHER_REASON),)


def _step(data: Mapping[str, Any]) -> Labels:
    return (data["step"],)


# What a cause looks like that is a word of the payment service: its customer's payment was refused, by whomever.
_CODE: Final = re.compile(r"[a-z0-9_]+")
# Such a word that is an outage all the same.
_OUTAGES: Final = frozenset({"gateway_unavailable"})
_PRODUCTS_FAILED: Final = frozenset({states.PRODUCT_SERVICE_UNAVAILABLE, states.PRODUCT_SERVICE_UNUSABLE})


def _failed_part(data: Mapping[str, Any]) -> Labels | None:
    """Which part of ours did not work; None where the order ended for what its customer or the stock was like."""
    cause = data.get("cause", "")
    if data["reason"] in _PRODUCTS_FAILED:
        return ("products",)
    if data["reason"] == states.PAYMENT_FAILED and (cause in _OUTAGES or not _CODE.fullmatch(cause)):
        return ("payments",)
    return ("payments",) if data["reason"] == states.NOT_PAID_IN_TIME and cause else None


COUNTERS: Final = (
    EventCounter("orders_placed", "Orders that were stored.", {"order.created": no_labels}),
    EventCounter("orders_paid", "Orders that were paid.", {"order.paid": no_labels}),
    EventCounter(
        "orders_cancelled",
        "Orders that ended without a sale, by why.",
        {"order.cancelled": _reason},
        label_names=("reason",),
        known=tuple((word,) for word in REASONS.values()),
    ),
    EventCounter(
        "orders_failed",
        "Orders that ended without a sale because a part of ours did not work, by which.",
        {"order.cancelled": _failed_part},
        label_names=("part",),
        known=(("products",), ("payments",)),
    ),
    EventCounter("orders_refunded", "Paid orders of which all money went back.", {"order.refunded": no_labels}),
    EventCounter(
        "orders_payment_retries", "Payment attempts after an order's first.", {"order.payment_retried": no_labels}
    ),
    EventCounter(
        "orders_postponed",
        "Times that a step could not be finished and was left for later; compensating is the compensations.",
        {"order.postponed": _step},
        label_names=("step",),
        known=tuple((step.value,) for step in Step if step != Step.CLOSED),
    ),
    DISABLED,
)


def outcomes() -> Iterator[Metric]:
    """The counters."""
    return count(COUNTERS)


def unfinished() -> Iterator[Metric]:
    """Orders that somebody still has to do something about. Reads the small index of those that have a due time."""
    yield gauge(
        "orders_awaiting_payment",
        "Orders to be paid later that still have time.",
        reads.awaiting_payment().count(),
    )
    groups = reads.unfinished().order_by().values_list("step").annotate(Count("number"), Min("since"))
    by_step = {step.value: 0 for step in Step if step != Step.CLOSED}
    oldest: datetime | None = None
    for step, number, since in groups:
        by_step[step] = by_step.get(step, 0) + number
        oldest = since if oldest is None else min(oldest, since)
    family = GaugeMetricFamily("orders_unfinished", "Orders in the saga's hands, by step.", labels=["step"])
    for step, number in by_step.items():
        family.add_metric([step], number)
    yield family
    yield gauge(
        "orders_oldest_unfinished_age_seconds",
        "How long the unfinished order that has waited longest has been in the saga's hands, whatever was tried.",
        age_s(oldest),
    )


def blocked() -> Iterator[Metric]:
    """Orders whose money waits for a person. Reads the small index of them."""
    number = Order.objects.filter(refund_blocked__gt="").order_by().count()
    yield gauge("orders_refund_blocked", "Orders whose money the gateway refuses for good to give back.", number)


def news_of_payments() -> Iterator[Metric]:
    """News that came from Kafka and that the payment service was not asked about yet."""
    waiting = Order.objects.filter(ask_at__isnull=False).order_by()
    yield gauge("orders_with_payment_news", "Orders to ask the payment service about.", waiting.count())
