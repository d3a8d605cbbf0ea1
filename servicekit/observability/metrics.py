"""What is measured while a process works, and the pieces that other metrics are made of.

Served by `web/metrics_endpoint.py`. Why some things are counted here and others read from the database: docs/adr/0007.
"""

from datetime import datetime
from functools import cache
from typing import Final

from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest
from django.utils import timezone
from prometheus_client import Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric

# When a counter began is of no use to anybody, and doubles what is sent.
disable_created_metrics()

# From the fastest read to the longest deadline of an order.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Whatever a client makes up has one label for all of it: each value would be kept for ever.
UNKNOWN_ROUTE: Final = "unknown"
OTHER_METHOD: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REQUEST_SECONDS: Final = Histogram(
    "http_request_duration_seconds",
    "Requests answered, and how long that took.",
    ("method", "route", "status"),
    buckets=BUCKETS_S,
)


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Count a request that was answered. By its route's pattern, never by its path."""
    method = method_of(request)
    match = request.resolver_match
    _requests(method, match.route if match else "", status).observe(seconds)


def method_of(request: HttpRequest) -> str:
    """The request's method where HTTP has it; whatever else a client writes there is kept nowhere."""
    return request.method if request.method in _METHODS else OTHER_METHOD


def route_of(request: HttpRequest) -> str:
    """The pattern of the request's route, one word where there is none."""
    match = request.resolver_match
    return simplify_regex(match.route) if match else UNKNOWN_ROUTE


def gauge(name: str, meaning: str, value: float) -> Metric:
    """A single value."""
    return GaugeMetricFamily(name, meaning, value=value)


def age_s(since: datetime | None) -> float:
    """Seconds since then; 0 where there is nothing to be old."""
    return 0.0 if since is None else max(0.0, (timezone.now() - since).total_seconds())


@cache
def _requests(method: str, route: str, status: int) -> Histogram:
    """Kept, because finding it by its labels takes longer than counting."""
    return _REQUEST_SECONDS.labels(method, simplify_regex(route) if route else UNKNOWN_ROUTE, str(status))
