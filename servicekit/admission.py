"""The middleware that decides which requests are worked on now, which wait a moment, and which are refused at once.

Everything comes through here but what watches the service, which has to be answered above all when it is overloaded
(docs/adr/0014).
"""

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from servicekit import answers, errors
from servicekit.gate import Full, Gate
from servicekit.metrics import BUCKETS_S
from servicekit.workplace import Connections, Workplace, look_after

ALWAYS_ADMITTED: Final = ("/health", "/metrics")
# Requests of that kind at the same time, hardly ever more.
_WATCHERS: Final = 2

_REFUSED: Final = Counter(
    "requests_refused",
    "Requests answered 503 overloaded: in_flight (too many at once), waited (too long).",
    ("reason",),
)
_WAITED: Final = Histogram(
    "request_wait_seconds",
    "How long requests waited before they were worked on; those that did not have to are not counted.",
    buckets=BUCKETS_S,
)


class AdmissionMiddleware:
    """Reads `settings.ADMISSION`. Stands behind everything that is cheap, and before everything that works."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._wait_s: float = settings.ADMISSION.wait_s
        self._gate = Gate(places=settings.ADMISSION.at_once, in_flight=settings.ADMISSION.in_flight)
        self._connections = Connections(keep=settings.ADMISSION.at_once + _WATCHERS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ALWAYS_ADMITTED):
            return self._answer_watcher(request)
        try:
            self._gate.arrive()
        except Full as full:
            return _refuse(full)
        try:
            return self._answer(request)
        except Full as full:
            return _refuse(full)
        finally:
            self._gate.depart()

    def _answer(self, request: HttpRequest) -> HttpResponse:
        # Read before there is a place: a client that sends slowly keeps a thread waiting, but nobody from working.
        _ = request.body
        arrived = time.perf_counter()
        with Workplace(self._gate, self._connections, wait_s=self._wait_s) as workplace:
            if workplace.was_waited_for:
                _WAITED.observe(time.perf_counter() - arrived)
            return self.get_response(request)

    def _answer_watcher(self, request: HttpRequest) -> HttpResponse:
        connection = self._connections.lend()
        look_after(connection)
        try:
            return self.get_response(request)
        finally:
            look_after(connection)
            self._connections.take_back(connection)


def _refuse(full: Full) -> HttpResponse:
    _REFUSED.labels(full.reason).inc()
    return answers.to_django(answers.answer_for(errors.Overloaded()))
