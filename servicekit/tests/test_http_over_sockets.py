"""The HTTP client against a real server on a real socket: time-outs, resets, refusals, pooling."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from servicekit.http import HttpClient, NoAnswer, NotSent, Reply, once
from servicekit.retries import RetryPolicy

# What a test may take at most where the client must give up after a fraction of it.
PATIENCE_S = 5.0


class Peer(ThreadingHTTPServer):
    """Answers as its `script` says, one entry a request: a status, or one of the words below."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[int | str] = []
        self.seen: list[tuple[str, str, bytes]] = []
        self.connections: set[Any] = set()
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what some of these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: Peer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, body))
        self.server.connections.add(self.client_address)
        step = self.server.script.pop(0)
        if step == "hang":
            self.server.let_go.wait(PATIENCE_S)
            self.close_connection = True
        elif step == "reset":
            # A linger of zero: closing sends a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.close()
        elif step == "cut off":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b'{"half": ')
            self.close_connection = True
        else:
            self.send_response(int(step))
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"true")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(url: str, *, read_timeout_s: float = 2.0) -> HttpClient:
    return HttpClient(url, connect_timeout_s=1.0, read_timeout_s=read_timeout_s, sleep=lambda _: None)


def attempts(count: int, *, deadline_s: float = 10.0) -> RetryPolicy:
    return RetryPolicy(attempts=count, first_wait_s=0, max_wait_s=0, deadline_s=deadline_s)


def test_connections_are_used_again(peer: Peer) -> None:
    """Ten calls, one connection."""
    peer.script = [200] * 10
    client = client_of(peer.url)
    for _ in range(10):
        assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(200, True)
    assert len(peer.connections) == 1


def test_a_peer_that_hangs_is_given_up_after_the_read_timeout(peer: Peer) -> None:
    """Sent, and no answer in time: not known."""
    peer.script = ["hang"]
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        client_of(peer.url, read_timeout_s=0.2).call("POST", peer.url, retries=once(5.0), json={})
    assert 0.2 <= time.monotonic() - started < PATIENCE_S
    assert len(peer.seen) == 1


def test_the_deadline_bounds_all_attempts_together(peer: Peer) -> None:
    """Each attempt gets no more than what is left, and none begins after it."""
    peer.script = ["hang"] * 5
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        client_of(peer.url).call("POST", peer.url, retries=attempts(5, deadline_s=0.4), json={})
    assert 0.4 <= time.monotonic() - started < 2.0
    assert len(peer.seen) == 1


@pytest.mark.parametrize("fault", ["reset", "cut off"])
def test_a_connection_that_breaks_after_sending_is_no_answer(peer: Peer, fault: str) -> None:
    """The peer may have done it."""
    peer.script = [fault]
    with pytest.raises(NoAnswer):
        client_of(peer.url).call("POST", peer.url, retries=once(5.0), json={})
    assert len(peer.seen) == 1


def test_a_hanging_a_broken_and_a_busy_attempt_are_followed_by_a_good_one(peer: Peer) -> None:
    """The same request each time."""
    peer.script = ["hang", "reset", 503, 201]
    reply = client_of(peer.url, read_timeout_s=0.2).call("POST", peer.url, retries=attempts(4), json={"a": 1})
    assert reply == Reply(201, True)
    assert peer.seen == [("POST", "/", b'{"a":1}')] * 4


def test_a_port_where_nobody_listens_is_not_sent() -> None:
    """The peer has certainly not seen it."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent):
        client_of(f"http://127.0.0.1:{port}/").call("POST", f"http://127.0.0.1:{port}/", retries=attempts(2), json={})


def test_a_name_that_does_not_exist_is_not_sent() -> None:
    """A wrong address is an outage like any other."""
    url = "http://no-such-host.invalid/"
    with pytest.raises(NotSent):
        client_of(url).call("GET", url, retries=once(5.0))


def test_one_client_serves_many_threads(peer: Peer) -> None:
    """Sixteen threads at once, every answer its own."""
    peer.script = [200] * 160
    client = client_of(peer.url)
    replies: list[Reply] = []

    def call() -> None:
        replies.extend(client.call("POST", peer.url, retries=once(5.0), json={}) for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [Reply(200, True)] * 160
