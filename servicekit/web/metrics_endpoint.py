"""`/metrics`: what a process has measured, and what a service's readers take from its database at that moment.

Requests and gateway calls are counted by the process that sees them. Where several processes share the work on one
machine, `PROMETHEUS_MULTIPROC_DIR` makes each answer for all; what is read from the database is the same for all
anyway (docs/adr/0007).
"""

import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

import structlog
from django.conf import settings
from django.db import Error, connection
from django.http import HttpResponse
from django.urls import URLPattern
from drf_spectacular.utils import extend_schema
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from servicekit.observability.metrics import gauge
from servicekit.web.access import AUDIT, PUBLIC
from servicekit.web.messages import Request
from servicekit.web.routes import route
from servicekit.web.views import View

log = structlog.get_logger()

# A file is empty for less time than one look takes.
_LOOKS: Final = 5
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
        yield from found


class _Together(Collector):
    """What all processes have counted, from files. One that begins to count has an empty one for a moment."""

    def __init__(self, path: str) -> None:
        self._files = MultiProcessCollector(CollectorRegistry(), path=path)

    def collect(self) -> Iterable[Metric]:
        found: Iterable[Metric]
        for _ in range(_LOOKS):
            with suppress(struct.error):
                found = self._files.collect()
                return found
        found = self._files.collect()
        return found


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
    collector = DatabaseCollector(*readers)

    def collect() -> bytes:
        registry = _of_all_processes()
        registry.register(collector)
        return generate_latest(registry)

    scope = AUDIT if "metrics" in settings.API_AUTH_ALSO else PUBLIC
    return [route(r"^metrics/?$", MetricsView, options={"text": Text(collect)}, get=scope)]


def serve(port: int) -> None:
    """Answer for this process alone on a port of its own, beside its work: for a worker, which has no `/metrics`."""
    start_http_server(port, registry=_of_all_processes())


def _of_all_processes() -> CollectorRegistry:
    """What was counted in this process, or in all that share `METRICS_DIRECTORY` with it."""
    registry = CollectorRegistry()
    if settings.METRICS_DIRECTORY:
        registry.register(_Together(settings.METRICS_DIRECTORY))
    else:
        registry.register(REGISTRY)
    return registry
