"""Calls to a peer over plain HTTP: by sockets of our own, parsed by httptools.

Replaces `adapter_for` of `servicekit.http.transport`, and `headers_of` of its client. `HTTPAdapter` and urllib3 below
it spend more time on choosing among pools, proxies and redirects than everything else that a call to a neighbour takes
(docs/adr/0006); there is one peer here, and no proxy or redirect. https keeps their way: certificates are not to be
handled twice.
"""

import socket
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, ValuesView
from typing import Final
from urllib.parse import urlsplit

import requests
from httptools import HttpParserError, HttpResponseParser
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3.util import wait_for_read

from servicekit.fastpath import put
from servicekit.http import client, transport
from servicekit.http.transport import (
    FIRST_FINAL_STATUS,
    MAX_ANSWER_BYTES,
    READ_BYTES,
    AnswerTooLarge,
    EndlessAnswer,
    NotConnected,
    NotHttp,
    OnePeer,
)

# As many as Python's own client takes.
_MAX_HEADERS: Final = 100


def install() -> None:
    put(transport, adapter_for=_adapter_for)
    put(client, headers_of=_headers_of)


def _adapter_for(base_url: str, *, pool_size: int) -> OnePeer:
    kind = PlainPeer if urlsplit(base_url).scheme == "http" else OnePeer
    return kind(base_url, pool_size=pool_size)


def _headers_of(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    return Headers(headers.items())


class Headers(CaseInsensitiveDict[str]):
    """Those of one message, taken as they are instead of one by one. Of two with one name the last one counts."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._store = OrderedDict((pair[0].lower(), pair) for pair in headers)

    def items(self) -> ValuesView[tuple[str, str]]:  # type: ignore[override]
        return self._store.values()


class _Response(requests.Response):
    """One that nobody asks for cookies: a jar for them takes as long to make as all the rest."""

    cookies = RequestsCookieJar()

    def __init__(self) -> None:
        vars(self).update(_NOTHING_YET)
        self.history = []


_NOTHING_YET: Final = {name: value for name, value in vars(requests.Response()).items() if name != "cookies"}


class _Answer:
    """What a parser has told so far of one answer. The methods are those that httptools calls."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parts: list[bytes] = []
        self.reason = ""
        self.headers: list[tuple[str, str]] = []
        self._is_begun = self._is_framed = False
        self.is_whole = self.keeps_connection = False

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise HttpParserError("more than one answer to one request")
        self.reason, self.headers = "", []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) == _MAX_HEADERS:
            raise AnswerTooLarge
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        self._is_framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._is_begun = True
        self.keeps_connection = bool(self._parser.should_keep_alive())

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self.is_whole = self._parser.get_status_code() >= FIRST_FINAL_STATUS

    def feed(self, data: bytes) -> None:
        """Take what came from the peer; nothing more, `b""`, ends an answer that has no length of its own."""
        if data:
            self._parser.feed_data(data)
        elif self._is_begun and not self._is_framed:
            self.is_whole = True
        else:
            raise ConnectionResetError("the peer closed the connection before the end of its answer")

    def as_response(self, request: requests.PreparedRequest) -> requests.Response:
        response = _Response()
        response.request, response.url = request, request.url or ""
        response.status_code, response.reason = self._parser.get_status_code(), self.reason
        response.headers = Headers(self.headers)
        response._content = b"".join(self._parts)
        return response


class PlainPeer(OnePeer):
    """A pool of connections to one peer, over plain HTTP. Safe to share between threads."""

    def __init__(self, base_url: str, *, pool_size: int) -> None:
        super().__init__(base_url, pool_size=pool_size)
        peer = urlsplit(base_url)
        self._address = (peer.hostname or "", peer.port or 80)
        self._host = peer.netloc.rpartition("@")[2]
        # Last in, first out: the connection that was used last is the one least likely to have gone stale.
        self._idle: deque[tuple[socket.socket, float]] = deque()

    def exchange(
        self, request: requests.PreparedRequest, connect_timeout_s: float, read_timeout_s: float
    ) -> requests.Response:
        message = self._message(request)
        connection = self._kept() or self._new(connect_timeout_s)
        try:
            connection.settimeout(read_timeout_s)
            connection.sendall(message)
            answer = _read(connection, within_s=read_timeout_s)
        except TimeoutError as problem:
            connection.close()
            raise requests.ReadTimeout(problem, request=request) from problem
        except HttpParserError as problem:
            connection.close()
            raise NotHttp(problem, request=request) from problem
        except requests.RequestException:  # which is an OSError, too
            connection.close()
            raise
        except OSError as problem:
            connection.close()
            raise requests.ConnectionError(problem, request=request) from problem
        except BaseException:
            connection.close()
            raise
        if answer.keeps_connection and len(self._idle) < self.pool_size:
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()
        return answer.as_response(request)

    def _message(self, request: requests.PreparedRequest) -> bytes:
        """Head and body together: apart they are two packets, and wake the peer twice."""
        lines = [f"{request.method} {request.path_url} HTTP/1.1", f"Host: {self._host}", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        head = "\r\n".join(lines)
        if head.count("\n") >= len(lines) or "\0" in head:
            raise requests.exceptions.InvalidHeader("a line break in the request's head", request=request)
        body = request.body or b""
        return f"{head}\r\n\r\n".encode("latin-1") + (body.encode() if isinstance(body, str) else body)

    def _kept(self) -> socket.socket | None:
        while True:
            try:
                connection, used_at = self._idle.pop()
            except IndexError:
                return None
            # Nothing is due on an idle connection; what can be read is the peer's end of it.
            if time.monotonic() - used_at < transport.IDLE_S and not wait_for_read(connection, timeout=0):
                return connection
            connection.close()

    def _new(self, connect_timeout_s: float) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, timeout=connect_timeout_s)
        except TimeoutError as problem:
            raise requests.ConnectTimeout(problem) from problem
        except (OSError, UnicodeError) as problem:  # a name that cannot be looked up is one of the two
            raise NotConnected(problem) from problem
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _read(connection: socket.socket, *, within_s: float) -> _Answer:
    """The whole answer. An answer that keeps coming and does not end is given up, too: callers have deadlines."""
    answer = _Answer()
    received = 0
    deadline = time.monotonic() + within_s
    while not answer.is_whole:
        if received:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise EndlessAnswer
            connection.settimeout(left_s)
        try:
            data = connection.recv(READ_BYTES)
        except TimeoutError as problem:
            if not received:
                raise
            raise EndlessAnswer(problem) from problem
        received += len(data)
        if received > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
        answer.feed(data)
    return answer
