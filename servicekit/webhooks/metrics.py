"""What `/metrics` tells of webhooks: what waits, what is dead, and which endpoints were disabled."""

from collections.abc import Iterator
from typing import Final

from django.db.models import Min
from prometheus_client.core import Metric

from servicekit.events.metrics import EventCounter, no_labels
from servicekit.observability.metrics import age_s, gauge
from servicekit.webhooks import events
from servicekit.webhooks.models import Delivery, Endpoint, State

# Counted up to that: a table that is full of them is not walked through at each scrape.
MOST: Final = 100_000

DISABLED: Final = EventCounter(
    "webhooks_disabled", "Times that a webhook endpoint was disabled.", {events.DISABLED: no_labels}
)


def webhooks() -> Iterator[Metric]:
    """The gauges. Reads the small index of what has a due time."""
    known = Endpoint.objects.filter(deleted_at=None).order_by()
    yield gauge("webhook_endpoints", "Webhook endpoints that are enabled.", known.filter(is_enabled=True).count())
    off = known.filter(is_enabled=False).count()
    yield gauge("webhook_endpoints_disabled", "Webhook endpoints that are disabled.", off)
    numbers = list(known.values_list("number", flat=True))
    waiting = Delivery.objects.filter(endpoint__in=numbers, due_at__isnull=False).order_by()
    yield gauge(
        "webhook_deliveries_waiting", f"Deliveries that wait, up to {MOST}.", waiting.values("pk")[:MOST].count()
    )
    dead = Delivery.objects.filter(endpoint__in=numbers, state=State.DEAD).order_by()
    yield gauge(
        "webhook_deliveries_dead", f"Deliveries that failed for good, up to {MOST}.", dead.values("pk")[:MOST].count()
    )
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    yield gauge("webhook_oldest_waiting_age_seconds", "Age of the oldest delivery that waits.", age_s(oldest))
