"""Scripts of other origins: shut out by default, let in by name, at each of the three services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stack as stacks
from tests.client import JSON_HEADERS, Http
from tests.stack import SERVICES, Stack

SHOP = "https://shop.example.org"
POSTS = {
    "order_service": "/api/orders/",
    "payment_service": "/api/payments/",
    "product_stub": "/api/products/",
}
PREFLIGHT = {
    "Origin": SHOP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,idempotency-key",
}
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def open_stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The three services, with two origins let in."""
    settings = {name: {"CORS_ALLOWED_ORIGINS": f"{SHOP},http://localhost:3000"} for name in SERVICES}
    with stacks.running_stack(migrated, tmp_path_factory.mktemp("cors"), settings=settings) as running:
        yield running


@pytest.mark.parametrize("name", SERVICES)
def test_by_default_no_origin_is_let_in(stack: Stack, name: str) -> None:
    """A preflight is a method that is not there, and no answer has a header of CORS."""
    http = Http(stack.services[name].url)
    asked = http.request("OPTIONS", POSTS[name], headers=PREFLIGHT)
    answered = http.get("/health/live", Origin=SHOP)
    assert (asked.status, asked.json["code"], answered.status) == (405, "method_not_allowed", 200)
    assert not [header for reply in (asked, answered) for header in reply.headers if "access-control" in header.lower()]


@pytest.mark.parametrize("name", SERVICES)
def test_a_named_origin_may_ask(open_stack: Stack, name: str) -> None:
    """The preflight allows the POST and its headers."""
    asked = Http(open_stack.services[name].url).request("OPTIONS", POSTS[name], headers=PREFLIGHT)
    assert (asked.status, asked.text, asked.headers[ALLOWED]) == (200, "", SHOP)
    assert {"content-type", "idempotency-key"} <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in asked.headers["Access-Control-Allow-Methods"].split(", ")
    assert asked.headers["X-Request-ID"]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
def test_a_named_origin_may_read(open_stack: Stack, name: str, origin: str) -> None:
    """Answers and refusals, with the headers that say what to do next."""
    headers = {**JSON_HEADERS, "Origin": origin, "Idempotency-Key": "k"}
    refused = Http(open_stack.services[name].url).request("POST", POSTS[name], headers=headers, data=b"{}")
    assert (refused.status, refused.headers[ALLOWED]) == (400, origin)
    exposed = set(refused.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed == {"X-Request-ID", "Idempotent-Replayed", "Retry-After", "RateLimit", "RateLimit-Policy"}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example.org", "null"])
def test_another_origin_is_not_let_in(open_stack: Stack, name: str, origin: str) -> None:
    """It gets an answer that its browser will not show it."""
    http = Http(open_stack.services[name].url)
    asked = http.request("OPTIONS", POSTS[name], headers={**PREFLIGHT, "Origin": origin})
    assert ALLOWED not in asked.headers
    assert ALLOWED not in http.get("/health/live", Origin=origin).headers


@pytest.mark.parametrize("name", SERVICES)
def test_a_wrong_origin_in_the_setting_stops_the_start(stack: Stack, name: str) -> None:
    """With a sentence that names the variable."""
    service = stack.services[name]
    kept = dict(service.environment)
    service.environment["CORS_ALLOWED_ORIGINS"] = "*"
    try:
        done = service.manage("check")
    finally:
        service.environment = kept
    assert done.returncode != 0
    assert "CORS_ALLOWED_ORIGINS" in done.stderr
