"""The middleware that decides which requests are worked on now, which wait a moment, and which are refused at once.

Everything comes through here but what watches the service, which has to be answered above all when it is overloaded
(docs/adr/0014). What is only looked at, by clients and by people, never has a slot in which something could be moved
(docs/adr/0027).
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from servicekit import errors
from servicekit.load.limiter import ConcurrencyLimiter, Full
from servicekit.load.slot import Connections, Slot, close_if_unusable
from servicekit.observability.metrics import BUCKETS_S
from servicekit.web import error_responses
from servicekit.web.admin.paths import ADMIN_PATH

# Who watches the service is let in however full it is, but too many of them take turns: as many of each are answered at
# once. The first path that fits says. Finding out how the database is may take a while, being alive asks nobody.
_WATCHING: Final[Mapping[str, int]] = {"/health/live": 1, "/health": 4, "/metrics": 2}
ALWAYS_ADMITTED: Final = tuple(_WATCHING)
# Seconds that one of them waits for its turn. Where that does not do, a database that says nothing keeps those before
# it: whoever asks has mostly gone, and more threads waiting for it help nobody.
_WATCHERS_WAIT_S: Final = 10.0
# What costs most of all reads, made once in each process: 130 clients that ask for it first would all make it.
_READS_EVERYWHERE: Final = (r"/openapi\.json", "/docs", "/redoc")
_READING: Final = frozenset({"GET", "HEAD"})
# Hashing a password is a third of a second of one processor.
_PEOPLE_AT_ONCE: Final = 1
# Of all that a service takes in, how much may be there to look at something, and how much in the admin.
_READS_SHARE: Final = 4
_PEOPLES_SHARE: Final = 16

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


class _Part:
    """Slots for one kind of requests, with a connection for each."""

    def __init__(self, *, at_once: int, in_flight: int, limit_s: float | None = None) -> None:
        self.limiter = ConcurrencyLimiter(slots=at_once, in_flight=in_flight)
        self.connections = Connections(keep=at_once, limit_s=limit_s)


class AdmissionMiddleware:
    """Reads `settings.ADMISSION`. Stands behind everything that is cheap, and before everything that works."""

    # Of this process, the one that everybody goes through: for whoever asks whether it still moves.
    limiter: ClassVar[ConcurrencyLimiter | None] = None

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        asked = settings.ADMISSION
        self._wait_s: float = asked.wait_s
        self._work = _Part(at_once=asked.at_once, in_flight=asked.in_flight)
        AdmissionMiddleware.limiter = self._work.limiter
        self._reads = _Part(
            at_once=asked.reads_at_once, in_flight=max(1, asked.in_flight // _READS_SHARE), limit_s=asked.read_limit_s
        )
        self._people = _Part(
            at_once=_PEOPLE_AT_ONCE, in_flight=max(1, asked.in_flight // _PEOPLES_SHARE), limit_s=asked.read_limit_s
        )
        self._is_read = re.compile(rf"(?:{'|'.join((*_READS_EVERYWHERE, *asked.reads))})/?").fullmatch
        self._watching = {path: ConcurrencyLimiter(slots=slots, in_flight=0) for path, slots in _WATCHING.items()}
        self._watchers_connections = Connections(keep=sum(_WATCHING.values()))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        try:
            if path.startswith(ALWAYS_ADMITTED):
                return self._answer_watcher(request, path)
            part = self._part_for(request, path)
            return self._admit(request) if part is self._work else self._admit_beside(request, part)
        except Full as full:
            _REFUSED.labels(full.reason).inc()
            return error_responses.to_django(error_responses.answer_for(errors.Overloaded()))

    def _part_for(self, request: HttpRequest, path: str) -> _Part:
        if path.startswith(ADMIN_PATH):
            return self._people
        return self._reads if request.method in _READING and self._is_read(path) else self._work

    def _admit(self, request: HttpRequest) -> HttpResponse:
        self._work.limiter.enter()
        try:
            return self._answer(request, self._work)
        finally:
            self._work.limiter.leave()

    def _admit_beside(self, request: HttpRequest, part: _Part) -> HttpResponse:
        """Such a request has a thread as well, so it is one of those that the service takes in in all."""
        part.limiter.enter()
        try:
            self._work.limiter.enter()
            try:
                return self._answer(request, part)
            finally:
                self._work.limiter.leave()
        finally:
            part.limiter.leave()

    def _answer(self, request: HttpRequest, part: _Part) -> HttpResponse:
        # Read before there is a slot: a client that sends slowly keeps a thread waiting, but nobody from working.
        _ = request.body
        arrived = time.perf_counter()
        with Slot(part.limiter, part.connections, wait_s=self._wait_s) as slot:
            if slot.was_waited_for:
                _WAITED.observe(time.perf_counter() - arrived)
            return self.get_response(request)

    def _answer_watcher(self, request: HttpRequest, path: str) -> HttpResponse:
        limiter = next(limiter for prefix, limiter in self._watching.items() if path.startswith(prefix))
        limiter.acquire(wait_s=_WATCHERS_WAIT_S)
        try:
            connection = self._watchers_connections.lend()
            close_if_unusable(connection)
            try:
                return self.get_response(request)
            finally:
                close_if_unusable(connection)
                self._watchers_connections.take_back(connection)
        finally:
            limiter.release()
