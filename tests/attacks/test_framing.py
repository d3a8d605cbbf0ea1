"""Where a body ends, what a header is called, how a method is spelt: read in one way only, or refused."""

import json
from uuid import uuid4

import pytest

from tests.attacks import wire
from tests.client import Http
from tests.stack import SERVICES, Service, Stack

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
ORDER = b'{"customer_name":"Alice","product_ids":[1]}'


@pytest.fixture
def orders(stack: Stack) -> Service:
    return stack.services["order_service"]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, stack: Stack) -> Service:
    return stack.services[request.param]


def post(*headers: str) -> bytes:
    return wire.head("POST", "/api/orders/", JSON, *headers)


def chunks(body: bytes, *, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def count(orders: Service) -> int:
    return int(orders.rows("select count(*) from orders_order")[0][0])


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_body_in_chunks_is_read_like_any_other(orders: Service, size: int) -> None:
    """As the ordinary JSON calls of .NET and Node send it, whatever the size of a chunk."""
    status, headers, order = wire.asked(orders, post(CHUNKED), chunks(ORDER, size=size))
    assert (status, order["status"]) == (201, "PAID")
    # What announced two lengths is not to be told apart here, so nothing may follow (RFC 9112, 6.1).
    assert headers["connection"] == "close"


def test_a_body_in_chunks_is_the_same_request_under_a_key(orders: Service) -> None:
    """In other chunks, or with its length, it replays the answer."""
    key = f"Idempotency-Key: {uuid4()}"
    first = wire.asked(orders, post(CHUNKED, key), chunks(ORDER, size=5))
    before = count(orders)
    for repeat in (
        wire.asked(orders, post(CHUNKED, key), chunks(ORDER, size=9)),
        wire.asked(orders, post(key, f"Content-Length: {len(ORDER)}", "Connection: close"), ORDER),
    ):
        assert (repeat[0], repeat[2]) == (201, first[2])
        assert repeat[1]["idempotent-replayed"] == "true"
    assert count(orders) == before


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        (f"Content-Length: {len(ORDER) + 1}", ORDER),
        (CHUNKED, b"%x\r\n%s\r\n" % (len(ORDER), ORDER)),
        (CHUNKED, b"%x\r\n%s" % (len(ORDER) + 5, ORDER)),
        (CHUNKED, b"%x\r\n%s\r\nzz\r\n" % (len(ORDER), ORDER)),
    ],
    ids=["a byte short", "no last chunk", "a chunk cut short", "no chunk"],
)
def test_a_body_that_is_not_whole_is_not_executed(orders: Service, framing: str, sent: bytes) -> None:
    """400, though what has come is a good order; and its key is still free."""
    key = f"Idempotency-Key: {uuid4()}"
    before = count(orders)
    status, headers, body = wire.asked(orders, post(framing, key), sent, then_silent=True)
    assert (status, body["code"], len(headers["x-request-id"])) == (400, "bad_request", 32)
    assert count(orders) == before
    whole = wire.asked(orders, post(f"Content-Length: {len(ORDER)}", key, "Connection: close"), ORDER)
    assert (whole[0], "idempotent-replayed" in whole[1]) == (201, False)


def test_too_many_chunks_are_refused(orders: Service) -> None:
    """Each costs a call, so a body of a byte each is measured by their number, too."""
    status, _, body = wire.asked(orders, post(CHUNKED), chunks(b" " * 3_000, size=1))
    assert (status, body["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("framing", [(CHUNKED, "Content-Length: 5"), ("Content-Length: 5", CHUNKED)])
def test_of_two_lengths_the_chunks_count_and_nothing_follows(orders: Service, framing: tuple[str, str]) -> None:
    """What another server in front took for a second request is never answered as one."""
    before = count(orders)
    smuggled = wire.head("GET", "/health/live")
    with wire.connected(orders) as connection:
        connection.sendall(post(*framing) + b"0\r\n\r\n" + smuggled)
        received = wire.rest_of(connection)
    status, headers, _ = wire.answer_in(received)
    assert (status, headers["connection"], received.count(b"HTTP/1.1 ")) == (400, "close", 1)
    assert count(orders) == before


def test_a_header_with_an_underscore_is_not_the_one_with_a_dash(service: Service) -> None:
    """Left out, as nginx does: a proxy that sets or removes the one with a dash does not see the other."""
    sneaky = wire.head("GET", "/health/live", "X_Request_ID: sneaky", "Connection: close")
    assert wire.asked(service, sneaky)[1]["x-request-id"] != "sneaky"
    both = wire.head("GET", "/health/live", "X-Request-ID: open", "X_Request_ID: sneaky", "Connection: close")
    assert wire.asked(service, both)[1]["x-request-id"] == "open"


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (b"Content-Encoding: gzip\xff", (415, "unsupported_media_type")),
        (b"Origin: http://evil.example\xff", (403, "cross_site")),
        (b"Idempotency-Key: key\xff", (400, "idempotency_key_invalid")),
    ],
)
def test_a_header_that_is_not_ascii_is_not_absent(orders: Service, header: bytes, refusal: tuple[int, str]) -> None:
    """The server shows it to nobody; what would have been refused in ASCII is refused."""
    before = count(orders)
    request = post(f"Content-Length: {len(ORDER)}", "Connection: close").replace(
        b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n"
    )
    status, _, body = wire.asked(orders, request, ORDER)
    assert (status, body["code"]) == refusal
    assert count(orders) == before


def test_a_key_with_an_underscore_is_none(orders: Service) -> None:
    """Two orders."""
    request = post(f"Idempotency_Key: {uuid4()}", f"Content-Length: {len(ORDER)}", "Connection: close")
    first, second = (wire.asked(orders, request, ORDER)[2]["id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("method", ["post", "Post", "pOST"])
def test_a_method_in_small_letters_is_another_method(orders: Service, method: str) -> None:
    """405, and nothing is executed."""
    before = count(orders)
    head = wire.head(method, "/api/orders/", JSON, f"Content-Length: {len(ORDER)}", "Connection: close")
    status, _, body = wire.asked(orders, head, ORDER)
    assert (status, body["code"], count(orders)) == (405, "method_not_allowed", before)


@pytest.mark.parametrize("path", ["/health", "/nothing", "/docs", "/api/orders/"])
def test_the_server_does_not_say_what_it_is(service: Service, path: str) -> None:
    """Whatever it answers."""
    headers = Http(service.url).get(path).headers
    assert not headers.get("Server")
    assert "granian" not in json.dumps(dict(headers)).lower()
