"""`/metrics`: what a process has measured, and what a service's readers take from its database at that moment.

Requests and gateway calls are counted by the process that sees them. Where several processes share the work on one
machine, `PROMETHEUS_MULTIPROC_DIR` makes each answer for all; what is read from the database is the same for all
anyway (docs/adr/0007).
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

import structlog
from django.conf import settings
from django.db import Error, connection
from django.http import HttpResponse
from django.urls import URLPattern, re_path
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

from servicekit.messages import Request
from servicekit.metrics import gauge
from servicekit.views import View

log = structlog.get_logger()

# A file is empty for less time than one look takes.
_LOOKS: Final = 5

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


class MetricsView(View):
    """Everything, in Prometheus' text format."""

    collector: Collector = DatabaseCollector()

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> HttpResponse:
        registry = _of_all_processes()
        registry.register(self.collector)
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def routes(*readers: Reader) -> list[URLPattern]:
    """`/metrics`, with and without a trailing slash."""
    return [re_path(r"^metrics/?$", MetricsView.as_view(collector=DatabaseCollector(*readers)))]


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
