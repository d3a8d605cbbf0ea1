"""What happens to every request: an id, a log line and a count, limits, and JSON when something breaks."""

import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from servicekit import cards
from servicekit.observability import actor, metrics, spans, tracing
from servicekit.observability import request_id as request_ids
from servicekit.web import error_responses, headers
from servicekit.web.admin.paths import ADMIN_PATH
from servicekit.web.admission import ALWAYS_ADMITTED

log = structlog.get_logger()

REQUEST_ID_HEADER: Final = "X-Request-ID"
# `request.headers` would first build a copy of all of them.
_REQUEST_ID_IN_META: Final = "HTTP_X_REQUEST_ID"
_SANE_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{request_ids.MAX_LENGTH}}}", re.ASCII)
# One that a service has made, in which no card number can stand.
_MADE_HERE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
# Characters of path and query. RFC 9110 wants 8,000 to be understood; no request of ours needs a tenth of that.
MAX_URL_LENGTH: Final = 8_000
# A length with more digits is more than any limit; and Python refuses to read numbers of thousands of digits.
_MAX_LENGTH_DIGITS: Final = 18
# More than a service has names; where any host is allowed, not more than that many are kept.
_HOSTS_KEPT: Final = 64
# Orders and payments are nobody's but who asked for them: not a cache's, and not a frame's around a page.
NOT_STORED: Final = "no-store"
NOT_FRAMED: Final = {"X-Frame-Options": "DENY", "Content-Security-Policy": "frame-ancestors 'none'"}
# What a browser takes an answer for is what we say that it is.
NOSNIFF: Final = "nosniff"
# Characters of a path in the log: more than the longest of ours has.
_MAX_LOGGED: Final = 200
# In the environment of a request whose body has not come as it should (`bridge.py`): one of those below.
BODY_PROBLEM: Final = "servicekit.body_problem"
# As `answers.error` takes them.
LATE: Final = (408, "The request body did not arrive in time", "request_timeout")
INCOMPLETE: Final = (400, "The request body is shorter than announced, or broken", "bad_request")
_FIRST_SERVER_ERROR: Final = 500
# A part of a path that long is a secret that somebody was given (32 bytes), and stands in no log.
_SECRET: Final = re.compile(r"(?<=/)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])", re.ASCII)
_SHORTEST_WITH_SECRET: Final = 44
# Asked every few seconds by whoever watches the service; not worth a line each.
_QUIET_PREFIXES: Final = ("/health", "/metrics", "/static/")


class RequestMiddleware:
    """Binds the request id and the trace, counts and logs each request. Must stand first in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = _request_id(request)
        request_ids.work_for(_kept(request_id))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        actor.act_as(actor.ANONYMOUS)
        tracing.take_in(request.META)
        started = time.perf_counter()
        response = self._traced(request) if spans.are_on() else self.get_response(request)
        add_headers(response, request_id)
        seconds = time.perf_counter() - started
        metrics.count_request(request, response.status_code, seconds)
        if not request.path_info.startswith(_QUIET_PREFIXES):
            log.info(
                "request",
                method=metrics.method_of(request),
                path=_logged_path(request),
                status=response.status_code,
                ms=round(seconds * 1000, 1),
            )
        return response

    def _traced(self, request: HttpRequest) -> HttpResponse:
        """Within a span of its own, which whoever watches the service has none of."""
        if request.path_info.startswith(_QUIET_PREFIXES):
            return self.get_response(request)
        method = metrics.method_of(request)
        with spans.root(method, "server", {"http.request.method": method}, of=tracing.current()) as span:
            structlog.contextvars.bind_contextvars(traceparent=span.traceparent)
            response = self.get_response(request)
            if span.is_recorded:
                route = metrics.route_of(request)
                span.rename(f"{method} {route}")
                span.set("http.route", route)
                span.set("http.response.status_code", response.status_code)
                if response.status_code >= _FIRST_SERVER_ERROR:
                    span.failed(str(response.status_code))
        return response

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse:
        """Answer what a view outside DRF raised; with DEBUG on too, where Django would send a page of HTML."""
        return error_responses.to_django(error_responses.answer_to(request, problem))


def add_headers(response: HttpResponseBase, request_id: str) -> None:
    """What every answer has."""
    headers = response.headers
    headers[REQUEST_ID_HEADER] = request_id
    headers["X-Content-Type-Options"] = NOSNIFF
    headers.setdefault("Cache-Control", NOT_STORED)
    if headers.get("Content-Type", "").startswith("text/html"):
        for name, value in NOT_FRAMED.items():
            headers.setdefault(name, value)
    if not response.streaming:
        headers.setdefault("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]


class LimitsMiddleware:
    """Refuses what is too large to read, or has not come as it should. Reads `settings.MAX_BODY_BYTES`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.max_body_bytes: int = settings.MAX_BODY_BYTES
        self._hosts: set[str] = set()
        self._origins = frozenset(settings.CORS_ALLOWED_ORIGINS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal = self._refuse(request)
        return self.get_response(request) if refusal is None else error_responses.to_django(refusal)

    def _refuse(self, request: HttpRequest) -> error_responses.Answer | None:
        meta = request.META
        if BODY_PROBLEM in meta:
            return error_responses.error(*meta[BODY_PROBLEM])
        if not request.path_info.startswith("/"):  # `OPTIONS *`: not even the last route, which is for all, matches it
            return error_responses.error(404, "Not found", "not_found")
        return (
            headers.refuse_repeated(meta)
            or self._refuse_host(request)
            or self._refuse_cross_site(request)
            or _refuse_method(request)
            or self._refuse_size(request)
            or headers.refuse_packed(request.method, meta)
            or headers.refuse_charset(request.method, meta)
        )

    def _refuse_cross_site(self, request: HttpRequest) -> error_responses.Answer | None:
        """The admin looks after its own forms."""
        if request.path_info.startswith(ADMIN_PATH):
            return None
        return headers.refuse_cross_site(request.method, request.META, allowed=self._origins)

    def _refuse_size(self, request: HttpRequest) -> error_responses.Answer | None:
        if len(request.path) + len(request.META.get("QUERY_STRING", "")) > MAX_URL_LENGTH:
            return error_responses.error(414, f"URL is longer than {MAX_URL_LENGTH} characters", "uri_too_long")
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return _refuse_coding(request.META)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit():
            return error_responses.error(400, "Content-Length must be a number", "bad_request")
        if len(length) > _MAX_LENGTH_DIGITS or int(length) > self.max_body_bytes:
            return error_responses.error(
                413, f"Request body is larger than {self.max_body_bytes} bytes", "request_too_large"
            )
        return None

    def _refuse_host(self, request: HttpRequest) -> error_responses.Answer | None:
        try:
            self._check_host(request)
        except DisallowedHost as problem:
            return error_responses.answer_for(problem)
        return None

    def _check_host(self, request: HttpRequest) -> None:
        """Raises DisallowedHost. The same few hosts come over and over, and what is allowed once stays allowed.

        Who watches the service asks a process by its address, which is nobody's name for it.
        """
        sent: str | None = request.META.get("HTTP_HOST")
        if sent in self._hosts or request.path_info.startswith(ALWAYS_ADMITTED):
            return
        request.get_host()
        if sent is not None and len(self._hosts) < _HOSTS_KEPT:
            self._hosts.add(sent)


def _refuse_method(request: HttpRequest) -> error_responses.Answer | None:
    """One in small letters is another one, though Django writes all of them in capitals."""
    sent = request.META["REQUEST_METHOD"]
    if sent == request.method:
        return None
    return error_responses.error(405, error_responses.short(f'Method "{sent}" not allowed.'), "method_not_allowed")


def _refuse_coding(sent: Mapping[str, str]) -> error_responses.Answer:
    """For a body in a coding that nobody has undone: what the server has read is like any other here (`bridge.py`)."""
    if sent.get("CONTENT_LENGTH"):
        return error_responses.error(400, "Content-Length and Transfer-Encoding exclude each other", "bad_request")
    if sent["HTTP_TRANSFER_ENCODING"].strip().lower() == "chunked":
        return headers.LENGTH_REQUIRED
    return error_responses.error(400, "Transfer-Encoding must be chunked", "bad_request")


def _logged_path(request: HttpRequest) -> str:
    """Without card numbers, also where an id is looked for: that is where a person may write one."""
    # More than is logged is looked at, so that none is cut in two.
    path = cards.masked_path(request.path[: 2 * _MAX_LOGGED])[:_MAX_LOGGED]
    return _SECRET.sub("*", path) if len(path) >= _SHORTEST_WITH_SECRET else path


def _request_id(request: HttpRequest) -> str:
    given = request.META.get(_REQUEST_ID_IN_META, "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _kept(request_id: str) -> str | None:
    """What may be kept with events: a client writes into it whatever it likes."""
    is_harmless = _MADE_HERE.fullmatch(request_id) or not cards.looks_like_a_card_number(request_id)
    return request_id if is_harmless else None
