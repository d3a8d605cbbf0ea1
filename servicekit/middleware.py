"""What happens to every request, whatever its route: an id, one log line, limits, and JSON when something breaks."""

import re
import time
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from servicekit import answers

log = structlog.get_logger()

REQUEST_ID_HEADER: Final = "X-Request-ID"
_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
# Asked every few seconds by whoever watches the service; not worth a line each.
_QUIET_PREFIXES: Final = ("/health", "/metrics", "/static/")


class RequestMiddleware:
    """Binds the request id, refuses what is too large to read, and logs one line per request.

    Must stand first in `MIDDLEWARE`. Reads `settings.MAX_BODY_BYTES`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.max_body_bytes: int = settings.MAX_BODY_BYTES

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = _request_id(request)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        refusal = self._refuse(request)
        response = self.get_response(request) if refusal is None else answers.to_django(refusal)
        response[REQUEST_ID_HEADER] = request_id
        response["X-Content-Type-Options"] = "nosniff"
        if not response.streaming and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        if not request.path.startswith(_QUIET_PREFIXES):
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        return response

    def process_exception(self, _request: HttpRequest, problem: Exception) -> HttpResponse:
        """Answer what a view outside DRF raised; with DEBUG on too, where Django would send a page of HTML."""
        return answers.to_django(answers.answer_for(problem))

    def _refuse(self, request: HttpRequest) -> answers.Answer | None:
        try:
            request.get_host()
        except DisallowedHost as problem:
            return answers.answer_for(problem)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit():
            return answers.error(400, "Content-Length must be a number", "bad_request")
        if int(length) > self.max_body_bytes:
            return answers.error(413, f"Request body is larger than {self.max_body_bytes} bytes", "request_too_large")
        if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            return answers.error(411, "Content-Length is required", "length_required")
        return None


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
