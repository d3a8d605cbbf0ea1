"""What is shown when something is not there, was not asked for in the right way, or broke."""

from typing import Any

import structlog
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

import orderpay
from servicekit.settings import base

log = structlog.get_logger()


def health(_request: HttpRequest) -> HttpResponse:
    """Whether the process answers; it has no database to look after."""
    body = {"status": "ok", "service": "console", "version": base.VERSION, "checks": {}, "downstreams": {}}
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


def unknown(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return page(request, 404, "There is no such page", "The address may be mistyped, or what it named is gone.")


def bad_request(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return page(request, 400, "This request cannot be answered", "Go back, and try it once more.")


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
    if isinstance(problem, DisallowedHost | SuspiciousOperation):
        return bad_request(request)
    if isinstance(problem, orderpay.Unavailable):
        return page(request, 503, "A service does not answer", f"{problem.message}. Nothing is lost: try it again.")
    if isinstance(problem, orderpay.OrderPayError):
        return page(request, 502, problem.message, f"Code {problem.code}, request {problem.request_id}")
    log.error("console.broken", exc_info=problem)
    return broken(request)


def page(request: HttpRequest, status: int, title: str, advice: str) -> HttpResponse:
    """A page that says what is the matter, and what to do."""
    return render(request, "console/problem.html", {"title": title, "advice": advice, "status": status}, status=status)
