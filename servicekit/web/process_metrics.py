"""What was counted in this process, or in all that count together with it; and a port of its own to ask for that, for a
process that has no `/metrics`.
"""

import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from django.conf import settings
from django.core.management import CommandError
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

# A file is empty for less time than one look takes.
_LOOKS: Final = 5


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


def serve(port: int) -> None:
    """Answer for this process alone on a port of its own, beside its work: for a worker, which has no `/metrics`.

    Raises CommandError: nobody can listen there.
    """
    try:
        start_http_server(port, addr=settings.SERVER_HOST, registry=of_all_processes())
    except (OSError, OverflowError) as problem:
        raise CommandError(
            f"--metrics-port: nobody can listen at {settings.SERVER_HOST}, port {port}: {problem}"
        ) from None


def of_all_processes() -> CollectorRegistry:
    """What was counted in this process, or in all that share `METRICS_DIRECTORY` with it."""
    registry = CollectorRegistry()
    if settings.METRICS_DIRECTORY:
        registry.register(_Together(settings.METRICS_DIRECTORY))
    else:
        registry.register(REGISTRY)
    return registry
