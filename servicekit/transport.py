"""How a request of ours travels over plain HTTP: to one peer, on kept connections, with the standard library.

A transport adapter of `requests`, which stays the client library. `HTTPAdapter` and urllib3 below it spend more time on
choosing among pools, proxies and redirects than everything else that a call to a neighbour takes (docs/adr/0006);
there is one peer here, and no proxy or redirect. https keeps their way: certificates are not to be handled twice.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util import wait_for_read

# A larger answer than this is not from a service of ours.
MAX_ANSWER_BYTES: Final = 5_000_000


class NotConnected(requests.ConnectionError):
    """The connection could not be made: nothing was sent."""


class AnswerTooLarge(requests.RequestException):
    """More than `MAX_ANSWER_BYTES`; not read to its end."""


class _Connection(HTTPConnection):
    """Sends head and body of a request together: apart they are two packets, and wake the peer twice."""

    _unsent = b""

    def send(self, data: Any) -> None:
        self._unsent += data

    def getresponse(self) -> HTTPResponse:
        unsent, self._unsent = self._unsent, b""
        super().send(unsent)
        return super().getresponse()


class OnePeer(HTTPAdapter):
    """A pool of connections to one peer. Safe to share between threads."""

    def __init__(self, base_url: str, *, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        peer = urlsplit(base_url)
        self._is_plain = peer.scheme == "http"
        self._host, self._port = peer.hostname or "", peer.port or 80
        self._pool_size = pool_size
        # Last in, first out: the connection that was used last is the one least likely to have gone stale.
        self._idle: deque[_Connection] = deque()

    def send(self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> requests.Response:
        """Send a request and read its answer whole. `timeout` is (to connect, between two reads), in seconds.

        Raises:
            NotConnected, ConnectTimeout: nothing was sent.
            ConnectionError, ReadTimeout, AnswerTooLarge: it was sent, or part of it.
        """
        if not self._is_plain:
            return super().send(request, timeout=timeout)
        connect_timeout_s, read_timeout_s = timeout
        with self._connection(connect_timeout_s) as connection:
            try:
                connection.sock.settimeout(read_timeout_s)
                connection.request(str(request.method), request.path_url, request.body, request.headers)
                answer = connection.getresponse()
                return _response(request, answer, _content(answer))
            except TimeoutError as problem:
                raise requests.ReadTimeout(problem, request=request) from problem
            except (OSError, HTTPException) as problem:
                raise requests.ConnectionError(problem, request=request) from problem

    @contextmanager
    def _connection(self, connect_timeout_s: float) -> Iterator[_Connection]:
        """A connection that is open; afterwards it is kept, unless something went wrong or the peer wants no more."""
        connection = self._kept() or self._new(connect_timeout_s)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        # The standard library has closed it where the peer said that it will.
        if connection.sock is not None:
            if len(self._idle) < self._pool_size:
                self._idle.append(connection)
            else:
                connection.close()

    def _kept(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            # Nothing is due on an idle connection; what can be read is the peer's end of it.
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()

    def _new(self, connect_timeout_s: float) -> _Connection:
        connection = _Connection(self._host, self._port, timeout=connect_timeout_s)
        try:
            connection.connect()
        except TimeoutError as problem:
            raise requests.ConnectTimeout(problem) from problem
        except (OSError, UnicodeError) as problem:  # a name that cannot be looked up is one of the two
            raise NotConnected(problem) from problem
        return connection


def _content(answer: HTTPResponse) -> bytes:
    if answer.length is None:  # in chunks, or until the peer closes
        content = answer.read(MAX_ANSWER_BYTES + 1)
    elif answer.length <= MAX_ANSWER_BYTES:
        content = answer.read()  # without a size, because only then an answer that is cut off is an error
    else:
        raise AnswerTooLarge
    if len(content) > MAX_ANSWER_BYTES:
        raise AnswerTooLarge
    return content


def _response(request: requests.PreparedRequest, answer: HTTPResponse, content: bytes) -> requests.Response:
    response = requests.Response()
    response.request, response.url = request, request.url or ""
    response.status_code, response.reason = answer.status, answer.reason
    response.headers = CaseInsensitiveDict(answer.headers.items())
    response._content = content
    return response
