"""Which scripts of other origins a browser lets in: none, unless the setting names their origin."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from servicekit.settings import base
from servicekit.tests.conftest import Api

SHOP = "https://shop.example.org"
PREFLIGHT = {
    "Origin": SHOP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,idempotency-key",
}


@pytest.fixture
def open_to_shop() -> Iterator[None]:
    with override_settings(CORS_ALLOWED_ORIGINS=[SHOP], MIDDLEWARE=base.middleware(cors_origins=[SHOP])):
        yield


def cors_headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def preflight(api: Api, path: str = "/things", **headers: str) -> Any:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in {**PREFLIGHT, **headers}.items()}
    return api.request("OPTIONS", path, **named)


def test_without_the_setting_there_is_no_cors(api: Api) -> None:
    """Not even the middleware: no header, no answer to a preflight, nothing in `Vary`."""
    assert not [name for name in base.middleware(cors_origins=[]) if "cors" in name]
    answer, asked = api.get("/echo", Origin=SHOP), preflight(api)
    assert (answer.status_code, cors_headers(answer), "Vary" in answer.headers) == (200, {}, False)
    assert (asked.status_code, cors_headers(asked)) == (405, {})


@pytest.mark.usefixtures("open_to_shop")
def test_a_preflight_is_answered(api: Api) -> None:
    """With the methods and headers that a script may use, the key among them; and with a request id like any answer."""
    answer = preflight(api)
    allowed = {name.strip() for name in answer["access-control-allow-headers"].split(",")}
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["access-control-allow-origin"] == SHOP
    assert {"content-type", "idempotency-key", "x-request-id"} <= allowed
    assert {"GET", "POST", "PUT", "DELETE"} <= set(answer["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert len(answer["X-Request-ID"]) == 32


@pytest.mark.usefixtures("open_to_shop")
def test_an_answer_may_be_read_with_its_headers(api: Api) -> None:
    """Only by the origin that asked, and caches are told so."""
    answer = api.get("/echo", Origin=SHOP)
    assert answer["access-control-allow-origin"] == SHOP
    exposed = "X-Request-ID, Idempotent-Replayed, Retry-After, RateLimit, RateLimit-Policy"
    assert answer["access-control-expose-headers"] == exposed
    assert answer["Vary"] == "origin"


@pytest.mark.usefixtures("open_to_shop")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://shop.example.org", f"{SHOP}.evil.example", f"{SHOP}:8443", "null", "*", "[", ""],
)
def test_another_origin_gets_nothing(api: Api, origin: str) -> None:
    """Other scheme, other port, a longer name: the browser keeps the answer from the script."""
    answer, asked = api.get("/echo", Origin=origin), preflight(api, Origin=origin)
    assert (answer.status_code, answer.json()) == (200, {"is": "there"})
    assert (cors_headers(answer), cors_headers(asked)) == ({}, {})


@pytest.mark.usefixtures("open_to_shop")
@pytest.mark.parametrize(
    ("path", "body", "status"), [("/echo", b"x" * 1001, 413), ("/echo", b"{", 400), ("/nothing", b"1", 404)]
)
def test_refusals_may_be_read_too(api: Api, path: str, body: bytes, status: int) -> None:
    """A script that cannot see why it was refused can only guess."""
    answer = api.post(path, body, Origin=SHOP)
    assert (answer.status_code, answer["access-control-allow-origin"]) == (status, SHOP)
    assert "code" in answer.json()


@pytest.mark.usefixtures("open_to_shop")
def test_a_request_of_no_browser_is_as_ever(api: Api) -> None:
    """Other services and curl send no origin."""
    answer = api.get("/echo")
    assert (answer.status_code, cors_headers(answer)) == (200, {})


@pytest.mark.usefixtures("open_to_shop")
@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/"])
def test_the_admin_is_not_included(api: Api, path: str) -> None:
    """It has cookies, and forms of its own."""
    assert cors_headers(api.get(path, Origin=SHOP)) == {}
