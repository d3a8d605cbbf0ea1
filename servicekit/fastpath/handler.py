"""A request comes to its view, and its answer to the server, the short way.

Replaces `__call__` and `resolve_request` of Django's `WSGIHandler`, which finds out for each request below which path
the service is mounted, looks through all routes for it, and at the end prepares a line of a log that is off here: the
middleware has written its own.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from django.core import signals
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from servicekit.fastpath import put
from servicekit.runtime.wsgi import Handler

# Those that are asked for over and over have no ids in them, so that there are not more of them than routes.
_KEPT_PATHS: Final = 128

_plain: Final = Handler.__call__


def install() -> None:
    put(Handler, __call__=_answer, resolve_request=_resolve_request)


def _answer(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> HttpResponseBase:
    if environ.get("SCRIPT_NAME"):
        return _plain(self, environ, start_response)
    signals.request_started.send(sender=type(self), environ=environ)
    request = self.request_class(environ)
    response: Any = self._middleware_chain(request)
    response._resource_closers.append(request.close)
    response._handler_class = type(self)
    cookies = [("Set-Cookie", cookie.output(header="")) for cookie in response.cookies.values()]
    headers = [*response.headers._store.values(), *cookies]
    start_response(f"{response.status_code} {response.reason_phrase}", headers)
    return response  # type: ignore[no-any-return]


def _resolve_request(_self: Handler, request: HttpRequest) -> Any:
    """The view for a request, and its arguments."""
    request.resolver_match = found = route_of(request.path_info)
    return found.func, found.args, found.kwargs


@lru_cache(_KEPT_PATHS)
def route_of(path: str) -> ResolverMatch:
    return get_resolver().resolve(path)
