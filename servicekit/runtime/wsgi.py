"""A service as a WSGI application that is loaded whole before its first request."""

from collections.abc import Callable
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http.response import HttpResponseBase
from django.urls import clear_script_prefix, get_resolver

from servicekit.observability import logs
from servicekit.runtime import processes
from servicekit.storage import naming


class Handler(WSGIHandler):
    """Django's handler, after which no prefix of a request is left for what comes next in its thread."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> HttpResponseBase:
        try:
            return super().__call__(environ, start_response)
        finally:
            clear_script_prefix()


def load() -> WSGIHandler:
    """The application of the settings in `DJANGO_SETTINGS_MODULE`, with every view imported."""
    django.setup(set_prefix=False)
    application = Handler()
    _ = get_resolver().url_patterns
    logs.settle()
    naming.say_which()
    processes.prepare_process()
    return application
