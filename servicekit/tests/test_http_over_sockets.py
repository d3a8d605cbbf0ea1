"""The HTTP client against a real server on a real socket: time-outs, resets, refusals, pooling."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from servicekit.http import transport
from servicekit.http.client import HttpClient, NoAnswer, NotSent, Reply, once
from servicekit.http.transport import AnswerTooLarge, EndlessAnswer, OnePeer
from servicekit.retry import RetryPolicy
from servicekit.tests.conftest import LogLines
from servicekit.tests.ports import free_port

# What a test may take at most where the client must give up after a fraction of it.
PATIENCE_S = 5.0


class Peer(ThreadingHTTPServer):
    """Answers as its `script` says, one entry a request: a status, one of the words below, or the answer's bytes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[int | str | bytes] = []
        self.seen: list[tuple[str, str, bytes]] = []
        self.connections: set[Any] = set()
        self.let_go = threading.Event()
        self.has_closed = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.has_closed.set()

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
        elif step == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not self.server.let_go.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
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
        elif isinstance(step, bytes):
            self.wfile.write(step)
            self.close_connection = b"Connection: keep-alive" not in step
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


CHUNKED = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_IT_CLOSES = b"HTTP/1.1 200 OK\r\n\r\n"
CLOSES_WITHOUT_A_WORD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
A_MEGABYTE = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)


def test_a_connection_that_the_peer_has_closed_is_not_used_again(peer: Peer) -> None:
    """Seen before anything is sent, so the call is neither lost nor sent twice."""
    peer.script = [CLOSES_WITHOUT_A_WORD, 201]
    client = client_of(peer.url)
    assert client.call("POST", peer.url, retries=once(5.0), json=1) == Reply(200, True)
    assert peer.has_closed.wait(PATIENCE_S)
    assert client.call("POST", peer.url, retries=once(5.0), json=2) == Reply(201, True)
    assert ([body for _, _, body in peer.seen], len(peer.connections)) == ([b"1", b"2"], 2)


def test_a_connection_that_was_idle_for_long_is_not_used_again(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer may be closing it at this very moment, and then nobody knows whether it has seen the request."""
    peer.script = [200, 200]
    client = client_of(peer.url)
    client.call("POST", peer.url, retries=once(5.0), json=1)
    monkeypatch.setattr(transport, "IDLE_S", 0.0)
    client.call("POST", peer.url, retries=once(5.0), json=2)
    assert len(peer.connections) == 2


def test_an_answer_in_chunks_leaves_the_connection_usable(peer: Peer) -> None:
    """Read to its end, whatever size was expected of it."""
    peer.script = [CHUNKED + b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n', 201]
    client = client_of(peer.url)
    assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(200, {"a": 1})
    assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(201, True)
    assert len(peer.connections) == 1


def test_an_announced_answer_is_waited_for(peer: Peer) -> None:
    """Early hints are not the answer, and what they say is not in it."""
    peer.script = [b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + CLOSES_WITHOUT_A_WORD]
    assert client_of(peer.url).call("POST", peer.url, retries=once(5.0)) == Reply(200, True)


def test_an_answer_that_ends_with_its_connection_is_read_whole(peer: Peer) -> None:
    """As HTTP/1.0 did it; the next call has a new connection."""
    peer.script = [UNTIL_IT_CLOSES + b"[1]", 201]
    client = client_of(peer.url)
    assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(200, [1])
    assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(201, True)
    assert len(peer.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"64\r\n[1, ",
        CHUNKED + b"not a number\r\n",
        CHUNKED + A_MEGABYTE * 5,
        UNTIL_IT_CLOSES + b" " * 5_000_001,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000001\r\n\r\n",
        CLOSES_WITHOUT_A_WORD * 2,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"",
    ],
    ids=[
        "chunk cut off",
        "no chunk",
        "endless chunks",
        "endless",
        "too large",
        "two",
        "not HTTP",
        "too many headers",
        "none",
    ],
)
def test_an_answer_that_is_broken_or_endless_is_no_answer(peer: Peer, answer: bytes) -> None:
    """Given up at once, the connection with it; the next call has a new one."""
    peer.script = [answer.replace(b"Connection: keep-alive\r\n", b""), 201]
    client = client_of(peer.url)
    with pytest.raises(NoAnswer):
        client.call("POST", peer.url, retries=once(5.0), json={})
    assert client.call("POST", peer.url, retries=once(5.0), json={}) == Reply(201, True)
    assert (len(peer.seen), len(peer.connections)) == (2, 2)


def test_a_peer_that_hangs_is_given_up_after_the_read_timeout(peer: Peer) -> None:
    """Sent, and no answer in time: not known."""
    peer.script = ["hang"]
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        client_of(peer.url, read_timeout_s=0.2).call("POST", peer.url, retries=once(5.0), json={})
    assert 0.2 <= time.monotonic() - started < PATIENCE_S
    assert len(peer.seen) == 1


def test_a_peer_that_answers_a_byte_at_a_time_is_given_up_as_soon(peer: Peer, log_lines: LogLines) -> None:
    """The time-out is for the whole answer: one that always comes, and never ends, does not hold its caller."""
    peer.script = ["drip"]
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        client_of(peer.url, read_timeout_s=0.3).call("POST", peer.url, retries=once(5.0), json={})
    assert 0.3 <= time.monotonic() - started < 2.0
    (line,) = log_lines()
    assert (line["event"], line["level"], line["url"]) == ("http.unusable_answer", "error", peer.url)
    assert line["reason"] == "the answer does not end"


def test_what_is_not_http_stands_in_the_log_with_its_address(peer: Peer, log_lines: LogLines) -> None:
    """Some other service lives there."""
    peer.script = [b"SSH-2.0-OpenSSH_9.6\r\n"]
    with pytest.raises(NoAnswer):
        client_of(peer.url).call("POST", peer.url, retries=once(5.0), json={})
    (line,) = log_lines()
    assert (line["level"], line["url"], line["reason"]) == ("error", peer.url, "the answer is not HTTP")


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("drip", EndlessAnswer),
        ("hang", requests.ReadTimeout),
        ("cut off", requests.ConnectionError),
        (UNTIL_IT_CLOSES + b" " * 5_000_001, AnswerTooLarge),
        (CHUNKED.replace(b"Connection: keep-alive\r\n", b"") + b"64\r\n[1, ", requests.ConnectionError),
    ],
    ids=["drip", "hang", "cut off", "too large", "chunk cut off"],
)
def test_what_comes_over_the_way_of_https_has_the_same_bounds(
    peer: Peer, step: str | bytes, failure: type[Exception]
) -> None:
    """In time and in size, though there each piece has a time-out of its own."""
    peer.script = [step]
    adapter = OnePeer("https://peer.test/", pool_size=1)
    request = requests.Request("POST", peer.url, data=b"{}").prepare()
    started = time.monotonic()
    with pytest.raises(failure):
        adapter.send(request, timeout=(1.0, 0.3))
    assert time.monotonic() - started < PATIENCE_S


def test_an_answer_over_the_way_of_https_is_whole(peer: Peer) -> None:
    """With a length and in chunks."""
    peer.script = [200, CHUNKED + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"]
    adapter = OnePeer("https://peer.test/", pool_size=1)
    request = requests.Request("POST", peer.url, data=b"{}").prepare()
    assert [adapter.send(request, timeout=(1.0, 2.0)).content for _ in range(2)] == [b"true", b"[1,2]"]


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
    port = free_port()
    with pytest.raises(NotSent):
        client_of(f"http://127.0.0.1:{port}/").call("POST", f"http://127.0.0.1:{port}/", retries=attempts(2), json={})


def test_a_peer_that_does_not_take_the_connection_is_not_sent() -> None:
    """Given up after the time to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy, contextlib.ExitStack() as waiting:
        for _ in range(2):  # one more than fits, and it takes no one off
            ahead = waiting.enter_context(socket.socket())
            ahead.setblocking(False)
            ahead.connect_ex(busy.getsockname())
        url = f"http://127.0.0.1:{busy.getsockname()[1]}/"
        client = HttpClient(url, connect_timeout_s=0.2, read_timeout_s=2.0)
        with pytest.raises(NotSent):
            client.call("POST", url, retries=once(5.0), json={})


def test_a_plain_answer_to_https_is_not_taken(peer: Peer) -> None:
    """https never falls back to the plain way."""
    url = peer.url.replace("http:", "https:")
    with pytest.raises(NoAnswer):
        client_of(url).call("POST", url, retries=once(5.0), json={})
    assert peer.seen == []


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
