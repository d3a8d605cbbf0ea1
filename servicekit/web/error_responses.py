"""The one place where an exception becomes an HTTP answer: always JSON, always `{"error", "code", ...}`.

DRF's exception handler, Django's 404 and 500 handlers and the middleware all come through here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import structlog
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as drf

from servicekit import cards, errors, exactjson
from servicekit.settings import databases
from servicekit.storage import damage
from servicekit.web.messages import Response

log = structlog.get_logger()

# A lock or a connection that was not to be had for the whole of the database's own time-out: worth one more second.
DATABASE_RETRY_AFTER_S: Final = 1
_READING: Final = frozenset({"GET", "HEAD"})

# Of a validation error: more than anybody mends at once, and few enough that no answer grows with what was sent.
MAX_FIELDS: Final = 20
# Characters of a sentence or a field's path that may repeat what a client sent.
MAX_TEXT: Final = 200

_STATUS_OF_FAMILY: Final[Mapping[type[errors.ServiceError], int]] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unprocessable: 422,
    # A family's own families before it.
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}
_CODE_OF_STATUS: Final[Mapping[int, str]] = {
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


_CHALLENGE: Final = 'Bearer realm="api"'


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that no framework has touched yet."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def answer_for(problem: Exception) -> Answer:
    """The answer that an exception becomes. Anything unexpected is a 500 that shows no internals."""
    for family, make_answer in _MAKERS:
        if isinstance(problem, family):
            return make_answer(problem)
    return _answer_crash(problem)


def error(status: int, sentence: str, code: str, **fields: Any) -> Answer:
    """An error answer in the one shape that clients see. Whatever is of a client's own in it goes through `short`."""
    return Answer(status, {"error": sentence, "code": code, **fields})


def answer_to(request: Any, problem: Exception) -> Answer:
    """The answer for what went wrong with this request. A read that took too long says nothing of the database."""
    if request.method in _READING and isinstance(problem, OperationalError) and databases.took_too_long(problem):
        problem = errors.Overloaded("The query took too long")
    return answer_for(problem)


def handle_exception(problem: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's `EXCEPTION_HANDLER`."""
    answer = answer_to(context["request"], problem)
    return Response(answer.body, status=answer.status, headers=dict(answer.headers))


def to_django(answer: Answer) -> HttpResponse:
    """The answer as a plain Django response, for what never reaches a DRF view."""
    response = HttpResponse(exactjson.encode(answer.body), status=answer.status, content_type="application/json")
    for name, value in answer.headers.items():
        response[name] = value
    return response


def refused(_request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`, `handler403` and `handler404`."""
    return to_django(answer_for(exception))


@csrf_exempt
def unknown_route(_request: HttpRequest) -> HttpResponse:
    """The last route of every service: with DEBUG on Django would not ask `handler404`, but send a page of HTML."""
    return to_django(error(404, "Not found", "not_found"))


def csrf_failed(_request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`: only the admin's own forms can come here."""
    return to_django(error(403, f"CSRF check failed: {reason}", "csrf_failed"))


def server_error(_request: HttpRequest) -> HttpResponse:
    """Django's `handler500`."""
    return to_django(error(500, "Internal server error", "internal_error"))


def _answer_service_error(problem: errors.ServiceError) -> Answer:
    status = next(status for family, status in _STATUS_OF_FAMILY.items() if isinstance(problem, family))
    headers = {}
    if isinstance(problem, errors.Unavailable):
        headers["Retry-After"] = str(problem.retry_after_s)
    elif isinstance(problem, (errors.Unauthenticated, errors.Forbidden)):
        headers["WWW-Authenticate"] = ", ".join(filter(None, (_CHALLENGE, problem.challenge)))
    return Answer(status, {"error": problem.message, "code": problem.code, **problem.fields}, headers)


def _answer_api_exception(problem: drf.APIException) -> Answer:
    headers = {}
    wait_s: float | None = getattr(problem, "wait", None)  # only a `Throttled` has one
    if wait_s is not None:
        headers["Retry-After"] = str(max(1, round(wait_s)))
    code = _CODE_OF_STATUS.get(problem.status_code, "error")
    return Answer(problem.status_code, {"error": short(problem.detail), "code": code}, headers)


def _answer_validation(problem: drf.ValidationError) -> Answer:
    """400; a serializer's `ValidationError(..., code="...")` on no field in particular keeps its sentence and code."""
    fields = flatten(problem.detail)
    general = fields.pop("", None)
    if general and not fields:
        codes = problem.get_codes()
        code = codes[0] if isinstance(codes, list) else codes["non_field_errors"][0]  # type: ignore[index]
        return error(400, general[0], str(code))
    name, sentences = next(iter(fields.items()))
    return error(400, f"{name}: {sentences[0]}", "invalid", fields=fields)


def short(text: object) -> str:
    """A text that may repeat what a client sent, cut to `MAX_TEXT`, and without card numbers."""
    whole = str(text)
    return cards.masked(whole if len(whole) <= MAX_TEXT else f"{whole[: MAX_TEXT - 1]}…")


def _answer_crash(problem: Exception) -> Answer:
    log.error("request.crashed", exc_info=problem)
    return error(500, "Internal server error", "internal_error")


def _answer_database_unavailable(problem: Exception) -> Answer:
    log.error("database.unavailable", exc_info=problem)
    damage.note(problem)
    answer = error(503, "The database is not available", "database_unavailable")
    return Answer(answer.status, answer.body, {"Retry-After": str(DATABASE_RETRY_AFTER_S)})


def flatten(detail: Any) -> dict[str, list[str]]:
    """DRF's nested error detail as {dotted field path: [sentence]}; what belongs to no field has the path ``""``.

    The first `MAX_FIELDS` of them; the rest is not even looked at.
    """
    return dict(islice(_errors_in(detail, ""), MAX_FIELDS))


def _errors_in(detail: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _errors_in(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list) and any(isinstance(inner, dict) for inner in detail):
        for n, inner in enumerate(detail):
            yield from _errors_in(inner, f"{path}.{n}")
    elif detail:
        yield short(path), [short(sentence) for sentence in (detail if isinstance(detail, list) else [detail])]


# First match wins, so a subclass stands before its base.
_MAKERS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Answer]], ...]] = (
    (errors.ServiceError, _answer_service_error),
    (drf.ValidationError, _answer_validation),
    (drf.ParseError, lambda problem: error(400, short(problem.detail), "malformed_json")),
    (drf.APIException, _answer_api_exception),
    (Http404, lambda _: error(404, "Not found", "not_found")),
    (PermissionDenied, lambda _: error(403, "Forbidden", "forbidden")),
    (RequestDataTooBig, lambda _: error(413, "Request body is too large", "request_too_large")),
    (DisallowedHost, lambda _: error(400, "Host header is not allowed", "host_not_allowed")),
    (SuspiciousOperation, lambda _: error(400, "Bad request", "bad_request")),
    # Ours, not the database's.
    ((DataError, IntegrityError, NotSupportedError, ProgrammingError), _answer_crash),
    # Not to be reached, locked, full, read-only (OperationalError, with some drivers InternalError) or damaged.
    (DatabaseError, _answer_database_unavailable),
    (InterfaceError, _answer_database_unavailable),
)
