"""A service as a WSGI application that is loaded whole before its first request."""

import threading
from typing import Any

from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connections, reset_queries
from django.urls import get_resolver

from servicekit import logs, processes


def load() -> WSGIHandler:
    """The application of the settings in `DJANGO_SETTINGS_MODULE`, with every view imported."""
    application = get_wsgi_application()
    _ = get_resolver().url_patterns
    _leave_connections_to_the_workplace()
    _spare_the_look_for_an_event_loop()
    logs.settle()
    processes.settle_in()
    return application


def _leave_connections_to_the_workplace() -> None:
    """Spare each request what would find nothing to do: outside its workplace, which sees to it, it has no connection.

    Nobody here uses a cache either, or routes of its own.
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
