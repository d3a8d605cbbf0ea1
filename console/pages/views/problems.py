"""What is shown when something is not there, was not asked for in the right way, or broke."""

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render

import orderpay
from console.pages import forms
from servicekit.settings import base

log = structlog.get_logger()


def health(_request: HttpRequest) -> HttpResponse:
    """Whether the process answers; it has no database to look after."""
    body = {"status": "ok", "service": "console", "version": base.VERSION, "checks": {}, "downstreams": {}}
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


def unknown(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return page(request, 404, "There is no such page", "The address may be mistyped, or what it named is gone.")


def bad_request(request: HttpRequest, exception: Exception | None = None, **_: object) -> HttpResponse:
    return page(request, 400, "This request cannot be answered", _why_bad(exception))


def _why_bad(problem: Exception | None) -> str:
    """What is wrong with a request that never came to a view."""
    if isinstance(problem, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return f"It has more than {most:,} fields, and no form here has as many. Nothing was done."
    if isinstance(problem, RequestDataTooBig):
        return f"It is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes. Nothing was done."
    if isinstance(problem, DisallowedHost):
        return "The console is not served under that name; ALLOWED_HOSTS has those that it is."
    if isinstance(problem, MultiPartParserError | BadRequest | UnreadablePostError):
        return "It cannot be read as a form. Nothing was done: open the page again, and repeat it."
    return "Nothing was done. Go back, and try it once more."


def not_that_way(request: HttpRequest, allowed: str) -> HttpResponse:
    """A page that is there, and takes no such request."""
    answer = page(request, 405, "This page takes no such request", f"It takes {allowed}. Nothing was done.")
    answer.headers["Allow"] = allowed
    return answer


def broken(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return page(request, 500, "The console has a defect", "The log has it, under the request's id.")


def csrf_failed(request: HttpRequest, **_: Any) -> HttpResponse:
    return page(
        request, 403, "This form is not from here, or too old", "Nothing was done. Open the page again, and repeat it."
    )


def answer_to(request: HttpRequest, problem: Exception) -> HttpResponse:
    """What a view raised."""
    if isinstance(problem, Http404 | orderpay.NotFound):
        sentence = str(problem.message if isinstance(problem, orderpay.NotFound) else "")
        return page(
            request, 404, sentence or "There is no such page", "Search finds it by id, number, name or reference."
        )
    if isinstance(problem, SuspiciousOperation | BadRequest | MultiPartParserError | UnreadablePostError):
        return bad_request(request, problem)
    if isinstance(problem, forms.OddForm):
        return page(
            request, 400, "This form is not as the page made it", f"{problem}. Nothing was done: open the page again."
        )
    if isinstance(problem, orderpay.Unavailable):
        return page(request, 503, "A service does not answer", f"{problem.message}. Nothing is lost: try it again.")
    if isinstance(problem, orderpay.OrderPayError):
        return page(request, 502, problem.message, f"Code {problem.code}, request {problem.request_id}")
    log.error("console.broken", exc_info=problem)
    return broken(request)


def page(request: HttpRequest, status: int, title: str, advice: str) -> HttpResponse:
    """A page that says what is the matter, and what to do."""
    return render(request, "console/problem.html", {"title": title, "advice": advice, "status": status}, status=status)
