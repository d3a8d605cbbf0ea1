"""A service as a WSGI application that is loaded whole before its first request."""

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import django
from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, connections, reset_queries
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, clear_script_prefix, get_resolver

from servicekit.observability import logs
from servicekit.runtime import processes
from servicekit.storage import naming

# Those that are asked for over and over have no ids in them, so that there are not more of them than routes.
_KEPT_PATHS: Final = 128


class Handler(WSGIHandler):
    """Django's handler, for a service that has a host of its own and says itself what went wrong with a request.

    Django's finds out for each request below which path the service is mounted, and looks through all routes for it.
    """

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> HttpResponseBase:
        if environ.get("SCRIPT_NAME"):
            try:
                return super().__call__(environ, start_response)
            finally:
                clear_script_prefix()  # which the next request of this thread would take for its own
        signals.request_started.send(sender=type(self), environ=environ)
        request = self.request_class(environ)
        response: Any = self._middleware_chain(request)  # type: ignore[attr-defined]
        response._resource_closers.append(request.close)
        response._handler_class = type(self)
        cookies = [("Set-Cookie", cookie.output(header="")) for cookie in response.cookies.values()]
        headers = [*response.headers._store.values(), *cookies]
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        return response  # type: ignore[no-any-return]

    def resolve_request(self, request: HttpRequest) -> Any:
        """The view for a request, and its arguments."""
        request.resolver_match = found = _route_of(request.path_info)
        return found.func, found.args, found.kwargs


@lru_cache(_KEPT_PATHS)
def _route_of(path: str) -> ResolverMatch:
    return get_resolver().resolve(path)


def load() -> WSGIHandler:
    """The application of the settings in `DJANGO_SETTINGS_MODULE`, with every view imported."""
    django.setup(set_prefix=False)
    application = Handler()
    _ = get_resolver().url_patterns
    _leave_connections_to_the_workplace()
    _spare_the_look_for_an_event_loop()
    logs.settle()
    naming.say_which()
    processes.prepare_process()
    return application


def _leave_connections_to_the_workplace() -> None:
    """Take away Django's cleaning up around each request: it would find nothing to clean.

    The workplace looks after a request's connection, and no request has a cache or routes of its own.
    """
    signals.request_started.disconnect(reset_queries)
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_caches)
    signals.request_finished.disconnect(reset_urlconf)


def _spare_the_look_for_an_event_loop() -> None:
    """Django keeps connections by thread or by task, and looks for a loop each time it wants one: 50 times an order."""
    by_thread: Any = threading.local()
    for connection in connections.all(initialized_only=True):
        setattr(by_thread, connection.alias, connection)
    vars(connections)["_connections"] = by_thread
