"""Health endpoints and the API's own documentation, the same at each service."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.urls import URLPattern, get_script_prefix, re_path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema, inline_serializer
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView
from rest_framework import serializers

from servicekit.load.dependency import Dependency
from servicekit.storage import readiness
from servicekit.web import draining
from servicekit.web.access import ANY_KEY, PUBLIC
from servicekit.web.admission import AdmissionMiddleware
from servicekit.web.messages import Request, Response
from servicekit.web.routes import route
from servicekit.web.views import View

# Longer than any request may take, an order with all its attempts included (ORDER_DEADLINE_S).
STUCK_AFTER_S: Final = 30.0
_database_state = readiness.of_this_process

_HEALTH = inline_serializer(
    "Health",
    {
        "status": serializers.CharField(help_text="ok or unavailable"),
        "service": serializers.CharField(),
        "version": serializers.CharField(),
        "checks": serializers.DictField(child=serializers.CharField()),
        "downstreams": serializers.DictField(
            child=serializers.CharField(help_text="closed, half_open or open"),
            help_text="Whom this service asks, and whether it does at the moment: not while the circuit is open.",
        ),
    },
)
_LIVE = inline_serializer("Live", {"status": serializers.CharField(help_text="ok or stuck")})


class HealthView(View):
    """Whether the service can do its work now: 503 while the database cannot be reached, or takes no writes.

    `checks.database` is `ok`, `unavailable`, `not writable` or `damaged`.
    """

    # Beside it `checks.server` is there, and the answer 503, while this process is about to end.

    service = ""
    version = ""
    dependencies: Callable[[], Iterable[Dependency]] = staticmethod(tuple)

    @extend_schema(responses={200: _HEALTH, 503: _HEALTH}, tags=["health"])
    def get(self, _request: Request) -> Response:
        database = _database_state()
        ends = draining.is_draining()
        healthy = database == readiness.OK and not ends
        body = {
            "status": "ok" if healthy else "unavailable",
            "service": self.service,
            "version": self.version,
            "checks": {"database": database, **({"server": "draining"} if ends else {})},
            "downstreams": {peer.name: peer.state.value for peer in self.dependencies()},
        }
        return Response(body, status=200 if healthy else 503, headers={} if healthy else {"Retry-After": "1"})


class LiveView(View):
    """Whether the process runs, asking nothing of anybody: 503 when nothing in it has moved for a while.

    That is for whoever starts it anew: it has all the requests that it takes, and none of them has come to an end.
    """

    @extend_schema(responses={200: _LIVE, 503: _LIVE}, tags=["health"])
    def get(self, _request: Request) -> Response:
        limiter = AdmissionMiddleware.limiter
        is_stuck = limiter is not None and limiter.stuck_for_s() >= STUCK_AFTER_S
        return Response({"status": "stuck" if is_stuck else "ok"}, status=503 if is_stuck else 200)


class RootView(View):
    """Who answers here, and where to read on: what somebody sees who opens the port in a browser."""

    service = ""
    version = ""

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> Response:
        prefix = get_script_prefix().removesuffix("/")
        paths = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health"}
        where = {name: f"{prefix}{path}" for name, path in paths.items()}
        return Response({"service": self.service, "version": self.version, **where})


class OpenAPIView(View):
    """The OpenAPI 3 document of this service, made once per process."""

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> Response:
        prefix = get_script_prefix().removesuffix("/")
        document = _openapi_document()
        return Response({**document, "servers": [{"url": prefix}]} if prefix else document)


def routes(*, service: str, version: str, dependencies: Callable[[], Iterable[Dependency]] = tuple) -> list[URLPattern]:
    """`/`, `/openapi.json`; `/health`, `/health/live`, `/docs` and `/redoc` with and without a trailing slash."""
    told = {"service": service, "version": version, "dependencies": dependencies}
    dependencies()  # so that each has its metrics before it is asked for the first time
    return [
        route(r"^$", RootView, options={"service": service, "version": version}, get=PUBLIC),
        route(r"^health/?$", HealthView, options=told, get=PUBLIC),
        route(r"^health/live/?$", LiveView, get=PUBLIC),
        *_documents(),
    ]


def _documents() -> list[URLPattern]:
    """Only the document itself needs a key, if anything does: the two pages have nothing but what they ask for."""
    scope = ANY_KEY if "docs" in settings.API_AUTH_ALSO else PUBLIC
    redoc = SpectacularRedocView.as_view(url_name="openapi", template_name="servicekit/redoc.html")
    return [
        route(r"^openapi\.json$", OpenAPIView, name="openapi", get=scope),
        re_path(r"^docs/?$", SpectacularSwaggerView.as_view(url_name="openapi")),
        re_path(r"^redoc/?$", redoc),
    ]


@cache
def _openapi_document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)
