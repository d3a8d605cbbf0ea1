"""What is measured of consuming: in the process that does it, and what is parked, from the database.

A consumer has no `/metrics` of its own: it counts together with its service through `PROMETHEUS_MULTIPROC_DIR`, or
answers on `--metrics-port` (docs/adr/0007).
"""

from collections.abc import Iterator
from typing import Final

from django.db.models import Count
from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

from servicekit.inbox.models import Parked

_CONSUMED: Final = Counter(
    "events_consumed",
    "Messages taken from Kafka, by what became of them. Without a type: of no interest, or parked.",
    ("consumer", "type", "outcome"),
)
_RETRIED: Final = Counter(
    "events_consume_retries", "Times that a message could not be taken and was left for later.", ("consumer",)
)
_LAG: Final = Gauge(
    "events_consumer_lag",
    "Messages of a partition that its consumer has not taken yet.",
    ("consumer", "topic", "partition"),
    multiprocess_mode="mostrecent",  # a partition is one process's at a time
)


def count(consumer: str, event_type: str, outcome: str) -> None:
    """Count a message. `event_type` is one that the consumer knows: what others make up has no end."""
    _CONSUMED.labels(consumer, event_type, outcome).inc()


def count_retry(consumer: str) -> None:
    """Count a message that is left for later."""
    _RETRIED.labels(consumer).inc()


def set_lag(consumer: str, topic: str, partition: str, messages: int) -> None:
    """Say how far this process is behind with a partition that it has."""
    _LAG.labels(consumer, topic, partition).set(messages)


def parked() -> Iterator[Metric]:
    """How many messages are parked; a reader for `exposition.routes`."""
    family = GaugeMetricFamily("events_parked", "Messages that wait for a person.", labels=["consumer"])
    for consumer, number in Parked.objects.order_by().values_list("consumer").annotate(Count("number")):
        family.add_metric([consumer], number)
    yield family
