"""No receivers of Django's around a request.

Takes `close_old_connections`, `reset_queries`, `close_caches` and `reset_urlconf` from the signals at a request's
beginning and end. A request has a connection in its slot alone, which looks after it; nobody here uses a cache, or
routes of their own.
"""

from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries


def install() -> None:
    signals.request_started.disconnect(reset_queries)
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_caches)
    signals.request_finished.disconnect(reset_urlconf)
