"""How much a request may be: body, depth, numbers, URL, headers, pages. Over the wire, byte for byte.

What HTTP itself forbids is refused by the server before any of our code: without a body, so without HTML, too.
"""

import json
import time
from typing import Any

import pytest

from tests.client import JSON_HEADERS, Http
from tests.stack import SERVICES, Stack

POSTS = {
    "order_service": "/api/orders/",
    "payment_service": "/api/payments/",
    "product_stub": "/api/products/",
}
LISTS = {"order_service": "/api/orders/", "payment_service": "/v1/payments"}
MAX_URL_LENGTH = 8_000


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, stack: Stack) -> tuple[Http, str]:
    """Each service, with the path of a POST that it takes."""
    return Http(stack.services[request.param].url), POSTS[request.param]


@pytest.fixture(params=list(LISTS))
def listing(request: pytest.FixtureRequest, stack: Stack) -> tuple[Http, str]:
    """Each list in pages."""
    return Http(stack.services[request.param].url), LISTS[request.param]


def post(http: Http, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    status, answer = http.raw("POST", path, headers={"Host": "localhost", **JSON_HEADERS, **headers}, body=body)
    return status, json.loads(answer) if answer else None


@pytest.mark.parametrize(("length", "status"), [(MAX_URL_LENGTH, 404), (MAX_URL_LENGTH + 1, 414), (60_000, 414)])
@pytest.mark.parametrize("start", ["/", "/nothing?", "/nothing/?a="])
def test_a_long_url_is_refused(service: tuple[Http, str], start: str, length: int, status: int) -> None:
    """414 in JSON; up to the limit, path and query together, it is a URL like any other."""
    answer = service[0].get(start + "x" * (length - len(start.replace("?", ""))))
    assert (answer.status, answer.json["code"]) == (status, "not_found" if status == 404 else "uri_too_long")


def test_a_url_beyond_the_servers_own_limit_is_refused(service: tuple[Http, str]) -> None:
    """414 from the server, without a body."""
    status, body = service[0].raw("GET", "/" + "x" * 70_000, headers={"Host": "localhost"})
    assert (status, body) == (414, b"")


def test_too_many_headers_are_refused(service: tuple[Http, str]) -> None:
    """431 from the server, without a body."""
    headers = {"Host": "localhost", **{f"X-{n}": "1" for n in range(200)}}
    assert service[0].raw("GET", "/health/live", headers=headers) == (431, b"")


def test_a_large_header_does_no_harm(service: tuple[Http, str]) -> None:
    """It is read and left alone; one with a meaning has a limit of its own."""
    http, path = service
    large = "x" * 100_000
    assert http.get("/health/live", **{"X-Large": large}).status == 200
    assert http.get("/health/live", **{"X-Request-ID": large}).headers["X-Request-ID"] != large
    assert post(http, path, b"{}", **{"Content-Length": "2", "Idempotency-Key": large})[0] == 400


@pytest.mark.parametrize("length", ["9" * 5_000, "-1", "x", "0x2", "2, 3"])
def test_a_length_that_is_none_is_refused(service: tuple[Http, str], length: str) -> None:
    """400 from the server, without a body."""
    http, path = service
    assert post(http, path, b"", **{"Content-Length": length}) == (400, None)


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "chunked, chunked"])
def test_a_body_in_another_coding_is_refused(service: tuple[Http, str], coding: str) -> None:
    """400, and not read; chunks are all that is undone here."""
    http, path = service
    status, answer = post(http, path, b"2\r\n{}\r\n0\r\n\r\n", **{"Transfer-Encoding": coding})
    assert (status, answer["error"]) == (400, "Transfer-Encoding must be chunked")


def test_an_endless_chunked_body_is_refused_when_it_is_too_large(service: tuple[Http, str]) -> None:
    """413 when so much has come, and not at an end that never comes."""
    http, path = service
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    status, answer = post(http, path, chunk * 20, **{"Transfer-Encoding": "chunked"})
    assert (status, answer["code"]) == (413, "request_too_large")


def test_a_packed_body_is_not_unpacked(service: tuple[Http, str]) -> None:
    """415: a few bytes cannot become gigabytes."""
    http, path = service
    packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00"
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    status, answer = post(http, path, packed, **headers)
    assert (status, answer["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("levels", "is_malformed"), [(20, False), (21, True), (1_000, True), (9_000, True)])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_has_a_limit(
    service: tuple[Http, str], levels: int, is_malformed: bool, opening: bytes, closing: bytes
) -> None:
    """Twenty levels are read, more are malformed, and none is a crash."""
    http, path = service
    inner = levels - 1
    body = b'{"a":' + opening * inner + b"1" + closing * inner + b"}"
    answer = http.request("POST", path, data=body, headers=JSON_HEADERS)
    assert answer.status == 400
    assert (answer.json["code"] == "malformed_json") is is_malformed


@pytest.mark.parametrize(
    "number",
    [
        b"1e400",
        b"1e999999999",
        b"-1e-999999999",
        b"1e" + b"9" * 400,
        b"0." + b"3" * 60_000,
        b"9" * 4_000,
        b"9" * 60_000,
    ],
    ids=lambda number: f"{number[:12].decode()}, {len(number)}",
)
@pytest.mark.parametrize("field", ["unknown", "amount"])
def test_no_number_takes_long_or_crashes(service: tuple[Http, str], number: bytes, field: str) -> None:
    """Also where nobody looks at it, and where a key makes a fingerprint of it."""
    http, path = service
    body = b'{"' + field.encode() + b'":' + number + b"}"
    started = time.monotonic()
    headers = {**JSON_HEADERS, "Idempotency-Key": f"n-{field}-{hash(number)}"}
    assert http.request("POST", path, data=body, headers=headers).status == 400
    assert time.monotonic() - started < 5


def test_many_fields_are_only_many(service: tuple[Http, str]) -> None:
    """As many as the size allows; those that are not known are ignored."""
    http, path = service
    body = b"{" + b",".join(b'"k%d":1' % n for n in range(6_000)) + b"}"
    assert len(body) < 65_536
    assert http.request("POST", path, data=body, headers=JSON_HEADERS).status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("page", value) for value in ("0", "-1", "1.5", "x", "", "9223372036854775808", "9" * 5_000)),
        *(("per_page", value) for value in ("0", "-1", "1.5", "x", "", "201", "9" * 5_000)),
    ],
)
def test_pages_have_limits(listing: tuple[Http, str], field: str, value: str) -> None:
    """400 that names the parameter."""
    http, path = listing
    answer = http.get(f"{path}?{field}={value}")
    assert (answer.status, list(answer.json["fields"])) == (400, [field])


@pytest.mark.parametrize("query", ["page=1000000&per_page=200", "per_page=200"])
def test_the_furthest_page_and_the_largest_are_there(listing: tuple[Http, str], query: str) -> None:
    """The limits themselves are allowed."""
    http, path = listing
    assert http.get(f"{path}?{query}").status == 200


def test_too_many_parameters_are_refused(listing: tuple[Http, str]) -> None:
    """400, whatever they are."""
    http, path = listing
    assert http.get(f"{path}?{'&'.join(f'{n}' for n in range(1_500))}").status == 400
    assert http.get(f"{path}?{'&'.join(['page=1'] * 1_001)}").status in (400, 414)
