"""`/metrics`: what a process has measured, and what a service's readers take from its database at that moment.

Requests and gateway calls are counted by the process that sees them. Where several processes share the work on one
machine, `PROMETHEUS_MULTIPROC_DIR` makes each answer for all; what is read from the database is the same for all
anyway (docs/adr/0007).
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog
from django.conf import settings
from django.db import Error, connection
from django.http import HttpResponse
from django.urls import URLPattern
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit.invariants.last_check import last_check
from servicekit.observability.metrics import gauge
from servicekit.settings import base
from servicekit.storage import readiness
from servicekit.web.access import AUDIT, PUBLIC
from servicekit.web.messages import Request
from servicekit.web.process_metrics import of_all_processes
from servicekit.web.routes import route
from servicekit.web.views import View

log = structlog.get_logger()

# Of the time that collecting may take, and how much of what it did not take it may take later, in seconds.
SHARE: Final = 0.1
SAVED_AT_MOST_S: Final = 2.0
# Of a text: whoever comes while the next one is made is better served by that when it is older.
GOOD_FOR_OTHERS_S: Final = 2.0

# Reads metrics from the database; may raise Django's database errors.
Reader = Callable[[], Iterable[Metric]]


class DatabaseCollector(Collector):
    """What the readers find. Without a database none of it is shown, and `metrics_database_up` is 0."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    def collect(self) -> Iterator[Metric]:
        found: list[Metric] = []
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            for read in self._readers:
                found.extend(read())
        except Error:
            log.exception("metrics.database_unavailable")
            found = []
            is_up = 0.0
        else:
            is_up = 1.0
        yield gauge("metrics_database_up", "Whether what is read from the database could be read.", is_up)
        writable = float(is_up and readiness.of_this_process() == readiness.OK)
        yield gauge("database_writable", "Whether the database takes what is written.", writable)
        yield from found


class _About(Collector):
    """Which service answers: what has no other metric, such as a worker that is missing, is asked for beside it."""

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "service_info", "1 for a server of this service.", labels=["service_name", "version"]
        )
        family.add_metric([settings.SERVICE_NAME, base.VERSION], 1.0)
        yield family


class Text:
    """What was collected last, and collecting it anew.

    One thread at a time does that, the others get the same text. A collection takes the interpreter from the requests,
    so that all of them together may take no more than a tenth of the time: whoever comes while that is used up gets
    the last text as well. A few scrapes, however close together, never notice.

    Args:
        collect: Makes the text.
        clock, cost: Seconds: of the time that goes by, and of the processor's that this thread has used.
    """

    def __init__(
        self,
        collect: Callable[[], bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._collect = collect
        self._clock = clock
        self._cost = cost
        self._collecting = threading.Lock()
        self._text: bytes | None = None
        self._finished_at = float("-inf")
        self._credit_s = SAVED_AT_MOST_S
        self._credited_at = clock()

    def __call__(self) -> bytes:
        arrived = self._clock()
        is_worth_waiting_for = self._text is None or arrived - self._finished_at > GOOD_FOR_OTHERS_S
        if not self._collecting.acquire(blocking=is_worth_waiting_for):
            return self._text or b""
        try:
            if self._text is None or (self._finished_at < arrived and self._can_afford()):
                self._text = self._charged()
                self._finished_at = self._clock()
            return self._text
        finally:
            self._collecting.release()

    def _can_afford(self) -> bool:
        now = self._clock()
        earned_s = (now - self._credited_at) * SHARE
        self._credit_s, self._credited_at = min(SAVED_AT_MOST_S, self._credit_s + earned_s), now
        return self._credit_s > 0

    def _charged(self) -> bytes:
        began = self._cost()
        try:
            return self._collect()
        finally:
            self._credit_s -= self._cost() - began


class MetricsView(View):
    """Everything, in Prometheus' text format."""

    text: Callable[[], bytes] = staticmethod(lambda: b"")

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> HttpResponse:
        return HttpResponse(self.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def routes(*readers: Reader) -> list[URLPattern]:
    """`/metrics`, with and without a trailing slash."""
    collectors = (_About(), DatabaseCollector(*readers, last_check))

    def collect() -> bytes:
        registry = of_all_processes()
        for collector in collectors:
            registry.register(collector)
        return generate_latest(registry)

    scope = AUDIT if "metrics" in settings.API_AUTH_ALSO else PUBLIC
    return [route(r"^metrics/?$", MetricsView, options={"text": Text(collect)}, get=scope)]
