"""A path prefix that a proxy takes away before it passes a request on, and says in `X-Forwarded-Prefix`.

Links then lead through the proxy: those of the admin, of the documentation pages, and to static files. The server's own
prefix (`SCRIPT_NAME`) is Django's business, but for static files.
"""

import re
from collections.abc import Callable
from typing import Final

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix, set_script_prefix

from servicekit.web import error_responses

# Plain segments; none that a browser would take for a way up, or for another host.
_PREFIX: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+){1,16}", re.ASCII)
_MAX_LENGTH: Final = 255


class ForwardedPrefixMiddleware:
    """Only where a proxy says the header for everybody (`FORWARDED_PREFIX`): else any client could put links astray."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given: str = request.META.get("HTTP_X_FORWARDED_PREFIX", "").removesuffix("/")
        if not given:
            return self._get_response(request)
        if len(given) > _MAX_LENGTH or not _PREFIX.fullmatch(given):
            return error_responses.to_django(
                error_responses.error(400, "X-Forwarded-Prefix must be a path like /shop", "bad_request")
            )
        own = get_script_prefix()
        request.META["SCRIPT_NAME"] = f"{given}{own}".rstrip("/")
        request.path = f"{given}{request.path}"
        set_script_prefix(f"{given}{own}")
        try:
            return self._get_response(request)
        finally:
            set_script_prefix(own)


class StaticStorage(StaticFilesStorage):
    """Static files below the prefix of the request at hand; Django's are below the one of the first request."""

    def url(self, name: str | None) -> str:
        return get_script_prefix().removesuffix("/") + super().url(name)
