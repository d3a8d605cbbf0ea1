"""A receiver of webhooks that answers by a script, and keeps what it was sent. Knows no Django."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    """One request: its headers in small letters, its body as it came, and when it came (monotonic)."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Reply:
    """What to answer; `wait_s` before that, and `wait_body_s` between the head and each byte of the body."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_s: float = 0.0
    wait_body_s: float = 0.0


Script = Callable[[int, Received], Reply]


@dataclass
class Receiver:
    """What came, and where it listens. `most_at_once` is how many were being answered at the same time."""

    port: int
    script: Script
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    _under_way: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def begin(self, got: Received) -> Reply:
        """A request has come: what to answer."""
        with self._lock:
            number = len(self.received)
            self.received.append(got)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        return self.script(number, got)

    def end(self) -> None:
        """It is answered."""
        with self._lock:
            self._under_way -= 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.received]


def always(*replies: Reply) -> Script:
    """The replies one after another, the last one again and again."""
    return lambda number, _: replies[min(number, len(replies) - 1)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    made: Receiver  # of a subclass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.made.begin(Received(self.path, headers, body, time.monotonic()))
        try:
            self._answer(reply)
        except OSError:
            pass  # whoever asked has gone
        finally:
            self.made.end()

    def _answer(self, reply: Reply) -> None:
        time.sleep(reply.wait_s)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for byte in reply.body if reply.wait_body_s else ():
            time.sleep(reply.wait_body_s)
            self.wfile.write(bytes([byte]))
        if not reply.wait_body_s:
            self.wfile.write(reply.body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    made: Receiver

    def get_request(self) -> Any:
        self.made.connections += 1
        return super().get_request()

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def receiver(script: Script | Sequence[Reply] = (Reply(),), *, tls: Any = None, port: int = 0) -> Iterator[Receiver]:
    """One that listens on a port of its own; `tls`: an `ssl.SSLContext`."""
    handler: Any = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    made = Receiver(server.server_address[1], script if callable(script) else always(*script))
    handler.made = server.made = made
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
