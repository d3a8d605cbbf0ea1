"""A gateway's other side with a network in front that fails when told to."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from payment_service.tests.servers import free_port

# Longer than any time-out that a test gives a gateway.
_NEVER_S: Final = 60.0
_UPSTREAM_S: Final = 30.0


# What Stripe has a payer do where it was told where to send that payer then.
_PAGE: Final = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.test/1", "return_url": ""}}


class Fault(Enum):
    """What becomes of a request, and of its answer."""

    REFUSED = "nobody listens"
    LOST_REQUEST = "the connection ends before anybody has read it"
    LOST_ANSWER = "it is done, and the connection ends without an answer"
    LATE_ANSWER = "it is done, and the answer comes after any time-out"
    THEIR_ERROR = "it is done, and the answer is 500"
    GARBAGE = "it is done, and the answer is not what was agreed on"


# Each of these has been seen of something that was in the way of a call.
GARBLED: Final = (b"<html>Bad gateway</html>", b"{}", b"[]", b"null", b'"ok"', b'{"id": 5}', b"\xff\xfe")


class Network:
    """An HTTP server that hands requests on to `upstream`.

    What Stripe does, and localstripe does not: a POST that comes again with the same `Idempotency-Key` gets its first
    answer and goes no further, and a payer who has to confirm is sent to a page, where there is a `return_url`.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self._fault: Fault | None = None
        self._garbage = b""
        self._answers: dict[str, tuple[int, bytes]] = {}
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # so that closing waits for what is still on its way
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def failing(self, fault: Fault, garbage: bytes = GARBLED[0]) -> Iterator[str]:
        """The address of a network of its own that fails so. All that was on its way has arrived at the end."""
        if fault is Fault.REFUSED:
            yield f"http://127.0.0.1:{free_port()}"
            return
        network = Network(self.upstream)
        network._answers, network._fault, network._garbage = self._answers, fault, garbage
        with network.serving():
            yield network.url

    @contextmanager
    def serving(self) -> Iterator["Network"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        network = self

        class Handler(BaseHTTPRequestHandler):
            def _hand_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                network._answer(self, body)

            do_GET = do_POST = do_DELETE = _hand_on  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        # What only looks is let through where it is an answer that gets lost: a gateway may look before it sends.
        fault = self._fault
        if request.command == "GET" and fault in (Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.LATE_ANSWER):
            fault = None
        request.close_connection = True
        if fault is Fault.LOST_REQUEST:
            return
        status, answer = self._ask(request, body)
        if fault is Fault.LATE_ANSWER:
            self._over.wait(_NEVER_S)
        if fault in (Fault.LOST_ANSWER, Fault.LATE_ANSWER):
            return
        if fault is Fault.THEIR_ERROR:
            status, answer = 500, json.dumps({"error": {"type": "api_error", "message": "An error."}}).encode()
        if fault is Fault.GARBAGE:
            status, answer = 200, self._garbage
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        key = request.headers.get("Idempotency-Key") if request.command == "POST" else None
        if key is not None and key in self._answers:
            return self._answers[key]
        body = _without_return_url(body)
        headers = {name: value for name, value in request.headers.items() if name in ("Authorization", "Content-Type")}
        asked = urllib.request.Request(
            self.upstream + request.path, data=body or None, method=request.command, headers=headers
        )
        try:
            with urllib.request.urlopen(asked, timeout=_UPSTREAM_S) as response:
                answer = response.status, _to_a_page(response.read())
        except urllib.error.HTTPError as refusal:
            answer = refusal.code, refusal.read()
        if key is not None:
            self._answers[key] = answer
        return answer


def _without_return_url(body: bytes) -> bytes:
    """A form without the one field that localstripe does not know."""
    return b"&".join(each for each in body.split(b"&") if not each.startswith(b"return_url="))


def _to_a_page(answer: bytes) -> bytes:
    """An answer in which payers who have to confirm are sent to a page."""

    def sent(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "next_action": _PAGE} if found.get("next_action") else found

    return json.dumps(json.loads(answer, object_hook=sent)).encode() if b"three_d_secure" in answer else answer
