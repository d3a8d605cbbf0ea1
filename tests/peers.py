"""A scripted stand-in for a service: it answers call after call as the test says, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request that the peer got."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class Answer:
    """What to do with one call: wait, then answer; or break the connection instead."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    breaks: bool = False


Script = Callable[[Call, int], Answer]


class ScriptedPeer(ThreadingHTTPServer):
    """Answers each call with `script(call, how many calls came before it)`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.calls: list[Call] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
            return self.script(call, len(self.calls) - 1)

    def calls_of(self, method: str, ending: str = "") -> list[Call]:
        return [call for call in self.calls if call.method == method and call.path.endswith(ending)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: ScriptedPeer

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, dict(self.headers), json.loads(body) if body else None)
        answer = self.server.answer(call)
        self.server.closing.wait(answer.after_s)
        if answer.breaks:
            self.close_connection = True
            return
        content = b"" if answer.json is None else json.dumps(answer.json).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def scripted_peer(script: Script) -> Iterator[ScriptedPeer]:
    """A peer that runs, and ends whatever happens."""
    peer = ScriptedPeer(script)
    thread = threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        peer.closing.set()
        peer.shutdown()
        thread.join()
        peer.server_close()
