"""What a request's headers alone are refused for: said twice, from another site, or of a packed body."""

from typing import Any

import pytest

from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.conftest import Api

SHOP = "https://shop.example.org"  # in CORS_ALLOWED_ORIGINS
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "LOCK"]
FOREIGN = [
    "https://evil.example",
    "http://shop.example.org",
    "https://shop.example.org.evil.example",
    "https://shop.example.org:8443",
    "http://localhost:8001",
    "http://localhost.evil.example:8000",
    "http://evil.example#localhost:8000",
    "http://evil@localhost:8000",
    "null",
    "",
    "localhost:8000",
    "ftp://localhost:8000",
    "file://",
    "moz-extension://5cf4e2d4",
]
OWN = ["http://localhost:8000", "https://localhost:8000", "http://LOCALHOST:8000"]


def ask(api: Api, method: str, path: str = "/echo", *, host: str = "localhost:8000", **headers: str) -> Any:
    meta = {f"HTTP_{name.upper()}": value for name, value in {"host": host, **headers}.items()}
    return api.request(method, path, data=b"{}", content_type="application/json", **meta)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("path", ["/echo", "/fields", "/nothing"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_what_another_sites_page_sends_is_refused(api: Api, method: str, path: str, origin: str) -> None:
    """403 for each method that may change something, whatever the browser says of its site."""
    for site in ({}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "cross-site"}):
        answer = ask(api, method, path, origin=origin, **site)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "Cross-Site", " cross-site "])
@pytest.mark.parametrize("origin", [None, *OWN])
def test_what_a_browser_calls_cross_site_is(api: Api, site: str, origin: str | None) -> None:
    """Also where it names no origin."""
    given = {} if origin is None else {"origin": origin}
    assert ask(api, "POST", sec_fetch_site=site, **given).json()["code"] == "cross_site"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({"origin": origin} for origin in OWN),
        *({"sec_fetch_site": site} for site in ("same-origin", "same-site", "none")),
        {"origin": SHOP},
        {"origin": SHOP, "sec_fetch_site": "cross-site"},
    ],
)
def test_our_own_pages_allowed_origins_and_programs_are_let_in(api: Api, headers: dict[str, str]) -> None:
    """Swagger UI's "Try it out", a shop that is named in the setting, and whoever is no browser."""
    assert ask(api, "POST", **headers).status_code == 201


@pytest.mark.parametrize(
    ("host", "origin"), [("localhost", "http://localhost:80"), ("localhost:443", "https://localhost")]
)
def test_a_schemes_own_port_makes_no_other_origin(api: Api, host: str, origin: str) -> None:
    assert ask(api, "POST", host=host, origin=origin).status_code == 201


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_nobodys_harm(api: Api, method: str) -> None:
    """A browser keeps the answer from the other site's page."""
    answer = ask(api, method, origin="https://evil.example", sec_fetch_site="cross-site")
    assert answer.status_code == (405 if method == "OPTIONS" else 200)


def test_a_refusal_comes_before_the_body(api: Api) -> None:
    """403 where the body is too large, malformed or of another type, too."""
    answers = [
        api.request("POST", "/echo", data=data, content_type=kind, HTTP_ORIGIN="https://evil.example")
        for data, kind in ((b"x" * 2000, "application/json"), (b"{", "application/json"), (b"a=1", "text/plain"))
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


@pytest.mark.parametrize(
    "name", ["Host", "Content-Type", "X-Request-ID", "Origin", "Sec-Fetch-Site", "traceparent", "Authorization"]
)
@pytest.mark.parametrize("value", ["a,b", "a,a", ",a", "a,", "a,b,c", "a, b,c"])
def test_a_header_that_is_read_once_and_comes_twice_is_refused(api: Api, name: str, value: str) -> None:
    """400 that names it: a server joins the two with a comma."""
    meta_name = name.upper().replace("-", "_")
    meta = {meta_name if name == "Content-Type" else f"HTTP_{meta_name}": value}
    answer = api.request("POST", "/echo", data=b"{}", **({"content_type": "application/json"} | meta))
    assert (answer.status_code, answer.json()["code"]) == (400, "header_repeated")
    assert answer.json()["error"] == f"{name} must not be given more than once"


def test_a_request_id_with_a_comma_of_its_own_is_only_replaced(api: Api) -> None:
    answer = ask(api, "POST", x_request_id="a, b")
    assert answer.status_code == 201
    assert len(answer["X-Request-ID"]) == 32


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["a,b", "a,a", ",b", "a,", "a, b", '"a","b"', '"a", "b"', '"a"b"', '"""'])
def test_two_idempotency_keys_are_no_third_one(api: Api, key: str) -> None:
    """400, and nothing was done."""
    answer = api.post("/things", '{"name": "x"}', Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert (Event.objects.count(), IdempotencyKey.objects.count()) == (0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("key", ['"a,b"', '"a, b"', "a;b", "a b"])
def test_a_quoted_idempotency_key_may_have_a_comma(api: Api, key: str) -> None:
    assert api.post("/things", '{"name": "x"}', Idempotency_Key=key).status_code == 201


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "identity, gzip", "gzip,identity", "nonsense"])
@pytest.mark.parametrize("body", [b"{}", b"\x1f\x8b\x08\x00"])
def test_a_packed_body_is_refused_and_so_is_one_that_only_says_so(api: Api, coding: str, body: bytes) -> None:
    """415 that says what would be taken."""
    answer = api.post("/echo", body, Content_Encoding=coding)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity,identity", "identity,", ",Identity"])
def test_two_content_encodings_are_not_taken_for_one(api: Api, coding: str) -> None:
    """400, though each of them alone would do."""
    answer = api.post("/echo", b"{}", Content_Encoding=coding)
    assert (answer.status_code, answer.json()["code"]) == (400, "header_repeated")


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_a_body_that_is_as_it_is_may_say_so(api: Api, coding: str) -> None:
    assert api.post("/echo", b"{}", Content_Encoding=coding).status_code == 201


CHARSETS = [
    "foo",
    "latin-1",
    "iso-8859-1",
    "utf-16",
    "UTF-16LE",
    "utf-7",
    '"utf-16"',
    '"utf-8',
    "",
    "utf-8x",
    "windows-1252",
]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_in_another_charset_is_refused(api: Api, kind: str, charset: str) -> None:
    """415 that names the header, whatever the type and whatever stands before it; nothing is guessed at."""
    for parameters in (f"charset={charset}", f"a=b; Charset = {charset} ;c=d"):
        answer = api.post("/echo", b"{}", content_type=f"{kind};{parameters}")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert answer.json()["error"] == "Content-Type must have no other charset than utf-8"


@pytest.mark.parametrize(
    "charset", ["utf-8", "UTF-8", '"utf-8"', '"UTF-8"', "utf8", "us-ascii", "US-ASCII", '"us-ascii"']
)
def test_a_body_may_say_that_it_is_utf_8(api: Api, charset: str) -> None:
    """In any case, with or without quotation marks; ASCII is UTF-8 too."""
    for parameters in (f"charset={charset}", f" CHARSET={charset} ; a=b"):
        assert api.post("/echo", b"{}", content_type=f"application/json;{parameters}").status_code == 201
