"""How a request of ours travels over plain HTTP: to one peer, on kept connections, parsed by httptools.

A transport adapter of `requests`, which stays the client library. `HTTPAdapter` and urllib3 below it spend more time on
choosing among pools, proxies and redirects than everything else that a call to a neighbour takes (docs/adr/0006);
there is one peer here, and no proxy or redirect. https keeps their way: certificates are not to be handled twice.
"""

import socket
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, ValuesView
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from httptools import HttpParserError, HttpResponseParser
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import wait_for_read

from servicekit import exactjson

# A larger answer than this is not from a service of ours.
MAX_ANSWER_BYTES: Final = 5_000_000
# Ten times what a request may have.
MAX_ANSWER_VALUES: Final = 10 * exactjson.MAX_VALUES
# What one read may bring: most answers come in one.
_READ_BYTES: Final = 65_536
# Below it are those that announce another answer, such as 103 Early Hints.
_FIRST_FINAL_STATUS: Final = 200
# A connection that nobody has used for so long is not used again. Our own servers close one after a second more
# (HEAD_TIMEOUT_S in `server.py`), and of a request that meets that on its way nobody knows whether it was seen.
_IDLE_S: Final = 4.0
# As many as Python's own client takes.
_MAX_HEADERS: Final = 100


class NotConnected(requests.ConnectionError):
    """The connection could not be made: nothing was sent."""


class AnswerTooLarge(requests.RequestException):
    """More than `MAX_ANSWER_BYTES`; not read to its end."""


class NotHttp(requests.ConnectionError):
    """What came back is not HTTP, or more than one answer."""


class EndlessAnswer(requests.ReadTimeout):
    """It came, and was not whole in time."""


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
        self.is_whole = self._parser.get_status_code() >= _FIRST_FINAL_STATUS

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


class OnePeer(HTTPAdapter):
    """A pool of connections to one peer. Safe to share between threads."""

    def __init__(self, base_url: str, *, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        peer = urlsplit(base_url)
        self._is_plain = peer.scheme == "http"
        self._address = (peer.hostname or "", peer.port or 80)
        self._host = peer.netloc.rpartition("@")[2]
        self._pool_size = pool_size
        # Last in, first out: the connection that was used last is the one least likely to have gone stale.
        self._idle: deque[tuple[socket.socket, float]] = deque()

    def send(self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> requests.Response:
        """Send a request and read its answer whole. `timeout` is (to connect, for the answer), in seconds.

        Raises:
            NotConnected, ConnectTimeout: nothing was sent.
            ConnectionError, ReadTimeout, AnswerTooLarge, NotHttp, EndlessAnswer: it was sent, or part of it.
        """
        connect_timeout_s, read_timeout_s = timeout
        if not self._is_plain:
            return _read_whole(super().send(request, stream=True, timeout=timeout), within_s=read_timeout_s)
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
        if answer.keeps_connection and len(self._idle) < self._pool_size:
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
            if time.monotonic() - used_at < _IDLE_S and not wait_for_read(connection, timeout=0):
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
            data = connection.recv(_READ_BYTES)
        except TimeoutError as problem:
            if not received:
                raise
            raise EndlessAnswer(problem) from problem
        received += len(data)
        if received > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
        answer.feed(data)
    return answer


def _read_whole(response: requests.Response, *, within_s: float) -> requests.Response:
    """The same bounds for an answer that came the other way, where the time-out is for each piece of it."""
    parts: list[bytes] = []
    received = 0
    deadline = time.monotonic() + within_s
    try:
        while part := response.raw.read1(_READ_BYTES, decode_content=True):
            parts.append(part)
            received += len(part)
            if received > MAX_ANSWER_BYTES:
                raise AnswerTooLarge
            if time.monotonic() > deadline:
                raise EndlessAnswer
    except ReadTimeoutError as problem:
        raise requests.ReadTimeout(problem, request=response.request) from problem
    except HTTPError as problem:
        raise requests.ConnectionError(problem, request=response.request) from problem
    finally:
        response.close()
    response._content = b"".join(parts)
    return response
