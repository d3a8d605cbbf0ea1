"""Routes that say what their callers must be allowed to do: the table of routes, methods and scopes is the URLconf."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, get_resolver, re_path

from servicekit.web.access import ANY_KEY, AUDIT, PUBLIC
from servicekit.web.views import View


class Allowed(NamedTuple):
    """One line of the table: who has `scope` may use `method` at the paths that match `pattern`."""

    pattern: str
    method: str
    scope: str


def route(
    pattern: str, view: type[View], *, name: str | None = None, options: Mapping[str, Any] | None = None, **scopes: str
) -> URLPattern:
    """A route of the API.

    Args:
        options: Attributes of the view.
        scopes: What a key must be allowed for each method of the view: `get="orders:read"`.

    Raises:
        ImproperlyConfigured: a method has no scope, or a scope no method.
    """
    methods = {name for name in view.allowed.lower().split(", ") if name != "head"}
    if methods != set(scopes):
        raise ImproperlyConfigured(f"{pattern} needs a scope for each of {sorted(methods)}, not {sorted(scopes)}")
    table = {method.upper(): scope for method, scope in scopes.items()}
    if "GET" in table:
        table["HEAD"] = table["GET"]
    return re_path(pattern, view.as_view(scopes=table, **(options or {})), name=name)


def table() -> Iterator[Allowed]:
    """All that the service's routes allow."""
    for pattern in get_resolver().url_patterns:
        kwargs = getattr(pattern.callback, "view_initkwargs", {}) if isinstance(pattern, URLPattern) else {}
        for method, scope in kwargs.get("scopes", {}).items():
            yield Allowed(str(pattern.pattern), method, scope)


def scopes() -> frozenset[str]:
    """Every scope that a key of this service can have."""
    return frozenset({AUDIT, *(line.scope for line in table())}) - {PUBLIC, ANY_KEY}
