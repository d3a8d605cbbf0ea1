"""What is the same in every service: the table of routes, methods and scopes is kept, to the letter, at each door."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from django.conf import settings
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, get_resolver, resolve
from drf_spectacular.generators import SchemaGenerator

from servicekit.apikeys import guard, issuing
from servicekit.apikeys.ring import Ring
from servicekit.web import routes
from servicekit.web.access import ANY_KEY, PUBLIC

_SECURITY_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "security.md"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# What the URLconf has beside the table, and why nobody needs a key there.
NOT_IN_THE_TABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "^webhooks/stripe/?$": "Stripe has no key, and signs what it sends",
        r"^bank/confirm/(?P<secret>[A-Za-z0-9_-]{43})/?$": "a payer has no key, and was given the address's secret",
        "^docs/?$": "a page of HTML that has nothing but what it asks /openapi.json for",
        "^redoc/?$": "another one",
        "^admin$": "sends people to the admin",
        "admin/": "asks for a user's name and password itself",
        "": "what is unknown is 404 to everybody",
    }
)
# In the table, and not worth a place in the OpenAPI document.
_NOT_DOCUMENTED: Final = frozenset({r"^$", r"^metrics/?$", r"^openapi\.json$"})
_PARAMETER: Final = re.compile(r"\(\?P<(\w+)>[^)]*\)")
_client: Final = Client(raise_request_exception=False)  # each new one loads all middleware
# Whoever looks at it before he looks at the key says 400 to it.
_BROKEN: Final = "{"


def assert_no_route_is_without_a_line(*names_nothing: str) -> None:
    """Each pattern of the URLconf is in the table, or among the few that are not, with a reason.

    Args:
        names_nothing: Views that tell whoever has a key, with whatever method, that he has asked for nothing.
    """
    in_table = {line.pattern for line in routes.table()}
    for each in get_resolver().url_patterns:
        pattern = str(each.pattern)
        view: Any = getattr(each.callback, "cls", None) if isinstance(each, URLPattern) else None
        is_known = pattern in NOT_IN_THE_TABLE or getattr(view, "__name__", "") in names_nothing
        assert is_known is not (pattern in in_table), f"{pattern} is to be made with `route`, with a scope each method"
    for line in routes.table():
        assert re.fullmatch(r"[a-z]+(:[a-z]+)?", line.scope), line
        assert resolve(_path_of(line.pattern)).route == line.pattern, "another route takes what is meant for this one"


def assert_every_route_asks_for_its_scope(monkeypatch: pytest.MonkeyPatch, *moved_by_it: type[Model]) -> None:
    """Every route with every method: without a key, with an unknown one, each that lacks the scope, and one with it.

    Each comes with a body that is broken, to things that are not there: 401 and 403 come before 400 and 404, and
    whoever has the scope gets beyond both.

    Args:
        moved_by_it: Tables in which nothing may be changed by whoever was not let in.
    """
    monkeypatch.setattr(settings, "API_AUTH", True)
    monkeypatch.setattr(guard, "ring", Ring())
    scopes = sorted(routes.scopes())
    only = {scope: issuing.create(f"only {scope}", [scope]) for scope in scopes}
    all_but = {scope: issuing.create(f"all but {scope}", set(scopes) - {scope}) for scope in scopes if len(scopes) > 1}
    guard.ring.find("")  # from here on no look at the table is due for any of them
    before = [list(model._default_manager.values()) for model in moved_by_it]
    table = {(line.pattern, line.method): line.scope for line in routes.table()}
    patterns = {pattern for pattern, _ in table}
    lets_in: list[tuple[str, str, str]] = []
    for pattern in sorted(patterns):
        for path in {_path_of(pattern), _path_of(pattern, slash=True)}:
            for method in METHODS:
                scope = table.get((pattern, method))
                if scope is None:
                    assert _ask(method, path).status_code == 405, (method, path)
                elif scope == PUBLIC:
                    assert _ask(method, path).status_code in (200, 503), (method, path)
                else:
                    _assert_refused(_ask(method, path), 401, "not_authenticated", 'Bearer realm="api"')
                    unknown = _ask(method, path, "abcdefgh." + "x" * 32)
                    _assert_refused(unknown, 401, "invalid_key", 'Bearer realm="api", error="invalid_token"')
                    _assert_lacking(method, path, scope, only, all_but)
                    lets_in.append((method, path, scope))
    assert before == [list(model._default_manager.values()) for model in moved_by_it]
    for method, path, scope in lets_in:
        secret = next(iter(only.values())) if scope == ANY_KEY else only[scope]
        status = _ask(method, path, secret).status_code
        assert status not in (401, 403, 405, 429, 500), (method, path, status)


def _assert_lacking(method: str, path: str, scope: str, only: Mapping[str, str], all_but: Mapping[str, str]) -> None:
    if scope == ANY_KEY:
        return
    lacking = [secret for name, secret in only.items() if name != scope]
    for secret in (*lacking, *([all_but[scope]] if scope in all_but else [])):
        challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}"'
        answer = _ask(method, path, secret)
        _assert_refused(answer, 403, "insufficient_scope", challenge)
        if answer.content:
            assert answer.json()["scope"] == scope


def _assert_refused(answer: Any, status: int, code: str, challenge: str) -> None:
    """A HEAD has no body to say the code in."""
    told = answer.json()["code"] if answer.content else code
    assert (answer.status_code, told, answer["WWW-Authenticate"]) == (status, code, challenge), answer.request


def _ask(method: str, path: str, secret: str | None = None) -> Any:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    body = "" if method in ("GET", "HEAD") else _BROKEN
    return _client.generic(method, path, body, content_type="application/json", headers=headers)


def assert_openapi_says_the_scopes() -> None:
    """`security` and `x-scope` of each operation are those of the table; what needs no key has neither."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    said = {
        (method.upper(), path): operation.get("x-scope", PUBLIC)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert said == {
        (line.method, _template_of(line.pattern)): line.scope
        for line in routes.table()
        if line.method != "HEAD" and line.pattern not in _NOT_DOCUMENTED
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needs_key = said[method.upper(), path] != PUBLIC
            assert operation.get("security") == ([{"ApiKey": []}, {}] if needs_key else None), (method, path)
            assert ("401" in operation["responses"]) is needs_key, (method, path)
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


def assert_security_page_has_the_table(service: str) -> None:
    """The table of scopes in docs/security.md has this service's routes, each with its method, and no others."""
    rows = re.findall(r"^\| `([\w:]+)` \| (\w+) \| (.+?) \|", _SECURITY_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    written = {
        (scope, route) for scope, of, routes_ in rows if of == service for route in re.findall("`(.+?)`", routes_)
    }
    true = {
        (line.scope, f"{line.method} {_template_of(line.pattern)}")
        for line in routes.table()
        if line.method != "HEAD" and line.scope not in (PUBLIC, ANY_KEY)
    }
    assert written == true, "docs/security.md and the URLconf differ"


def _path_of(pattern: str, *, slash: bool = False) -> str:
    """A path that the pattern takes: every parameter of ours may be 1."""
    path = _PARAMETER.sub("1", pattern).removeprefix("^").removesuffix("$")
    return "/" + path.removesuffix("/?").replace("\\", "") + ("/" if slash and path.endswith("/?") else "")


def _template_of(pattern: str) -> str:
    """As OpenAPI writes it."""
    return _path_of(_PARAMETER.sub(r"{\1}", pattern), slash=True)
