"""A few kilobytes on many connections, or on one: whoever keeps them open or sends slowly is in nobody else's way."""

import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.attacks import wire
from tests.client import Http
from tests.stack import SERVICES, Service, Stack, free_ports, wait_until

# More than a service has threads, and more than it takes requests.
MANY = 130
# More than the open files that a process has without asking for more.
SILENT = 1_100
# More than wait for their bodies at once; those who wait longest are given up for the rest.
STALLED = 1_100
BODIES_AT_ONCE = 1_000
BODY_TIMEOUT_S = 1.0
PROCESSES = Path("/proc")
ORDER = {"customer_name": "Alice", "product_ids": [1, 2]}
POST = wire.head("POST", "/", "Content-Type: application/json", "Content-Length: 100")
# A script of half a megabyte and more, which the socket of a client that reads nothing has no room for.
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
(HEALTH_PORT,) = free_ports(1)


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack]) -> Stack:
    """Two that wait for a body for a second, and the order service, which does for a minute."""
    impatient = {"BODY_TIMEOUT_S": str(BODY_TIMEOUT_S)}
    patient = {"BODY_TIMEOUT_S": "60", "HEALTH_PORT": str(HEALTH_PORT)}
    settings = {"payment_service": impatient, "product_stub": impatient, "order_service": patient}
    return make_module_stack(settings=settings)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, stack: Stack) -> Service:
    return stack.services[request.param]


def assert_all_is_well(stack: Stack) -> None:
    """An order is placed and paid, so each of the three works, and each says so."""
    for service in stack.services.values():
        http = Http(service.url)
        assert http.get("/health").status == http.get("/health/live").status == 200
    assert Http(stack.services["order_service"].url).post("/api/orders/", ORDER).status == 201


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """HTTP/2's: length, type, flags, stream."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header in HPACK as it is, in no table."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def streams_that_announce_a_body_and_go(count: int) -> bytes:
    request = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"localhost")]
    block = b"".join(literal(*pair) for pair in [*request, (b"content-length", b"100")])
    opened = (frame(1, 4, 2 * n + 1, block) + frame(0, 0, 2 * n + 1, b"x") for n in range(count))
    return PREFACE + b"".join(opened)


def references_that_unpack_to_a_thousandfold(count: int) -> bytes:
    request = b"".join(literal(*pair) for pair in [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")])
    entry = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000  # kept in the table, and referred to with one byte each
    block = request + entry + b"\xbe" * 10_000
    return PREFACE + b"".join(frame(1, 5, 2 * n + 1, block) for n in range(count))


@pytest.mark.parametrize(
    "attack",
    [streams_that_announce_a_body_and_go(MANY), references_that_unpack_to_a_thousandfold(35)],
    ids=["streams", "references"],
)
def test_http_2_is_not_spoken(service: Service, stack: Stack, attack: bytes) -> None:
    """The connection is closed at its first bytes, nothing is unpacked, and nobody waits for a body."""
    memory = memory_of(service)
    with wire.connected(service) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(attack)
        assert wire.rest_of(connection) == b""
    assert_all_is_well(stack)
    assert memory_of(service) - memory < 50_000_000


def memory_of(service: Service) -> int:
    """Bytes that its processes have at the moment, of those that nobody else has."""
    pages = 0
    for process in processes_of(service):
        pages += int((PROCESSES / str(process) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processes_of(service: Service) -> list[int]:
    """Its main process and its worker."""
    main = str(service.group)
    children = (PROCESSES / main / "task" / main / "children").read_text().split()
    return [int(process) for process in (main, *children)]


def test_connections_that_never_send_a_byte_stop_nothing(stack: Stack) -> None:
    """As many as they like: everybody else is served, and each is closed after a few seconds."""
    service = stack.services["order_service"]
    with wire.connections(service, SILENT) as silent:
        for _ in range(5):
            assert_all_is_well(stack)
        assert {wire.rest_of(connection) for connection in silent} == {b""}


def test_bodies_that_do_not_come_are_given_up(stack: Stack) -> None:
    """408 for each in time, in JSON and with a request id; orders are paid as if nobody waited."""
    service = stack.services["payment_service"]
    with wire.connections(service, MANY) as slow:
        for connection in slow:
            connection.sendall(POST + b"{")
        for _ in range(5):
            assert_all_is_well(stack)
        answers = [wire.answer_in(wire.rest_of(connection)) for connection in slow]
    assert {(status, body["code"]) for status, _, body in answers} == {(408, "request_timeout")}
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == MANY


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_given_up_as_soon(stack: Stack, framing: str) -> None:
    """A byte now and then makes no difference: the time is for all of it."""
    service = stack.services["product_stub"]
    with wire.connected(service) as connection:
        connection.sendall(wire.head("POST", "/api/products/", "Content-Type: application/json", framing))
        connection.settimeout(0.1)
        started, received = time.monotonic(), b""
        while not received:
            connection.sendall(b"1\r\n \r\n" if "chunked" in framing else b" ")
            with suppress(TimeoutError):
                received = connection.recv(65_536)
    assert wire.answer_in(received)[0] == 408
    assert time.monotonic() - started >= BODY_TIMEOUT_S


def test_slow_bodies_are_in_each_others_way_only(stack: Stack) -> None:
    """Of more than are waited for at once the oldest are given up; whoever sends at once gets through."""
    service = stack.services["order_service"]
    with wire.connections(service, STALLED) as slow:
        for connection in slow:
            connection.sendall(POST + b"{")
        given_up = wait_until(lambda: wire.answered(slow, at_least=STALLED - BODIES_AT_ONCE))
        assert_all_is_well(stack)
        assert {wire.answer_in(wire.rest_of(connection))[0] for connection in given_up} == {408}
        # Each order was one more.
        assert len(wire.answered(slow, at_least=0)) <= STALLED - BODIES_AT_ONCE + 1


def test_whoever_reads_nothing_holds_nothing(service: Service, stack: Stack) -> None:
    """Not a thread waits until a client has taken a large file."""
    with wire.connections(service, MANY) as deaf:
        for connection in deaf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.sendall(wire.head("GET", LARGE_FILE))
        answers = Counter(connection.recv(12) for connection in deaf)
        assert_all_is_well(stack)
    # Some may have come while the rest were all in.
    assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert answers[b"HTTP/1.1 200"] > MANY / 2


def test_a_head_is_bounded(service: Service) -> None:
    """431 long before a megabyte."""
    with wire.connected(service) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(wire.head("GET", "/health/live", f"X-Large: {'x' * 1_000_000}"))
        received = wire.rest_of(connection)
    assert received == b"" or wire.answer_in(received)[0] == 431


def test_watchers_have_a_port_of_their_own(stack: Stack) -> None:
    """On which nothing else is to be had."""
    http = Http(f"http://127.0.0.1:{HEALTH_PORT}")
    assert [http.get(path).status for path in ("/health", "/health/live", "/metrics")] == [200, 200, 200]
    assert http.get("/api/orders/").status == http.post("/api/orders/", ORDER).status == 404


def test_a_server_whose_main_process_is_killed_leaves_its_port(stack: Stack) -> None:
    """The worker ends with it, so that the service can be started again at once."""
    service = stack.services["product_stub"]
    main, *workers = processes_of(service)
    os.kill(main, signal.SIGKILL)
    wait_until(lambda: not service.is_running and not any((PROCESSES / str(worker)).exists() for worker in workers))
    service.start()
    service.wait_until_up()
    assert_all_is_well(stack)
