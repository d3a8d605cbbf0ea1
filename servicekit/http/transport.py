"""How a request of ours travels: to one peer, on kept connections, with bounds on what comes back.

The transport adapter of `requests`, with what it leaves open: an answer has one limit in size and one in time, its head
included; more than one answer is none, and so is what is not HTTP; what was idle for long is not used again.
Plain HTTP has a shorter way with the same bounds where that is on (`servicekit.fastpath.calls`).
"""

import io
import socket
import time
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, InvalidChunkLength, ReadTimeoutError

from servicekit import exactjson

# A larger answer than this is not from a service of ours.
MAX_ANSWER_BYTES: Final = 5_000_000
# Ten times what a request may have.
MAX_ANSWER_VALUES: Final = 10 * exactjson.MAX_VALUES
# What one read may bring: most answers come in one.
READ_BYTES: Final = 65_536
# Below it are those that announce another answer, such as 103 Early Hints.
FIRST_FINAL_STATUS: Final = 200
# A connection that nobody has used for so long is not used again. Our own servers close one after a second more
# (HEAD_TIMEOUT_S in `server.py`), and of a request that meets that on its way nobody knows whether it was seen.
IDLE_S: Final = 4.0


class NotConnected(requests.ConnectionError):
    """The connection could not be made: nothing was sent."""


class AnswerTooLarge(requests.RequestException):
    """More than `MAX_ANSWER_BYTES`; not read to its end."""


class NotHttp(requests.ConnectionError):
    """What came back is not HTTP, or more than one answer."""


class EndlessAnswer(requests.ReadTimeout):
    """It came, and was not whole in time."""


class OnePeer(HTTPAdapter):
    """A pool of connections to one peer. Safe to share between threads."""

    def __init__(self, base_url: str, *, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        self.base_url = base_url
        self.pool_size = pool_size

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> requests.Response:
        """Send a request and read its answer whole. `timeout` is (to connect, for the answer), in seconds.

        Raises:
            NotConnected, ConnectTimeout: nothing was sent.
            ConnectionError, ReadTimeout, AnswerTooLarge, NotHttp, EndlessAnswer: it was sent, or part of it.
        """
        connect_timeout_s, read_timeout_s = timeout
        return self.exchange(request, connect_timeout_s, read_timeout_s)

    def exchange(
        self, request: requests.PreparedRequest, connect_timeout_s: float, read_timeout_s: float
    ) -> requests.Response:
        """What `send` does."""
        _refuse_line_breaks(request)
        try:
            response = super().send(request, stream=True, timeout=(connect_timeout_s, read_timeout_s))
            return _read_whole(response, within_s=read_timeout_s)
        except (requests.RequestException, HTTPError) as problem:
            raise _told_apart(problem, request) from problem


def adapter_for(base_url: str, *, pool_size: int) -> OnePeer:
    """What sends requests to this peer."""
    return OnePeer(base_url, pool_size=pool_size)


def _refuse_line_breaks(request: requests.PreparedRequest) -> None:
    """Raises InvalidHeader: what follows a line break would be another header, or another request."""
    for text in (request.method or "", request.path_url, *request.headers.keys(), *request.headers.values()):
        if any(character in text for character in "\r\n\0"):
            raise requests.exceptions.InvalidHeader("a line break in the request's head", request=request)


def _read_whole(response: requests.Response, *, within_s: float) -> requests.Response:
    """The body, too. Its bounds are looked at once more: it may have been packed, and be larger than what came."""
    # There is none where something stands in for the network.
    stream: _Stream | None = getattr(response.raw.connection, "stream", None)
    parts: list[bytes] = []
    received = 0
    deadline = time.monotonic() + within_s
    try:
        while part := response.raw.read1(READ_BYTES, decode_content=True):
            parts.append(part)
            received += len(part)
            if received > MAX_ANSWER_BYTES:
                raise AnswerTooLarge
            if time.monotonic() > deadline:
                raise EndlessAnswer
    finally:
        response.close()
    if stream is not None and stream.has_more:
        raise NotHttp("more than one answer to one request")
    response.raw = io.BytesIO(b"".join(parts))
    return response


def _told_apart(problem: BaseException, request: requests.PreparedRequest) -> requests.RequestException:
    """What of ours ended the reading, which urllib3 and `requests` have wrapped; else what `requests` makes of it."""
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, (AnswerTooLarge, EndlessAnswer, NotHttp)):
            return seen
        if isinstance(seen, (BadStatusLine, InvalidChunkLength)) and not isinstance(seen, RemoteDisconnected):
            return NotHttp(seen, request=request)
        seen = seen.__cause__ or seen.__context__
    if isinstance(problem, requests.RequestException):
        return problem
    kind = requests.ReadTimeout if isinstance(problem, ReadTimeoutError) else requests.ConnectionError
    return kind(problem, request=request)


class _Bounded(io.RawIOBase):
    """What comes from a socket: no more than one answer may have, and its time-out is for all of it."""

    is_over = False

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection
        self._timeout_s = connection.gettimeout() or 0.0
        self._deadline = time.monotonic() + self._timeout_s
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return self._look(buffer)
        if self._received:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise EndlessAnswer
            self._connection.settimeout(left_s)
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError as problem:
            if not self._received:
                raise
            raise EndlessAnswer(problem) from problem
        self._received += count or 0
        if self._received > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
        return count

    def _look(self, buffer: Any) -> int:
        """Read what is there at this moment, without waiting."""
        try:
            self._connection.settimeout(0)
            return self._raw.readinto(buffer) or 0
        except OSError:  # among them that nothing is there, over TLS
            return 0
        finally:
            self._connection.settimeout(self._timeout_s)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Stream(io.BufferedReader):
    """One answer as it is read; when it is over, it says whether there was more, which is nobody's answer."""

    raw: _Bounded
    has_more = False
    _ended_at: float | None = None

    def close(self) -> None:
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            self.raw.is_over = True
            self.has_more = bool(self.peek(1))
        super().close()

    def leaves_connection_usable(self) -> bool:
        return not self.has_more and self._ended_at is not None and time.monotonic() - self._ended_at < IDLE_S


class _Answer(HTTPResponse):
    """Python's own, with bounds, and waited for where others announce it, such as 103 Early Hints."""

    def __init__(self, connection: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        self.stream = self.fp = _Stream(_Bounded(self.fp.detach(), connection))

    def begin(self) -> None:
        super().begin()
        while self.status < FIRST_FINAL_STATUS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Connection(HTTPConnection):
    """One that is not used again when it was idle for long, or has something to say that nobody asked for."""

    stream: _Stream | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.response_class = self._answer  # type: ignore[assignment]  # which makes one, as the class does

    def _answer(self, *args: Any, **options: Any) -> _Answer:
        answer = _Answer(*args, **options)
        self.stream = answer.stream
        return answer

    @property
    def is_connected(self) -> bool:
        return super().is_connected and (self.stream is None or self.stream.leaves_connection_usable())


class _TlsConnection(HTTPSConnection, _Connection):
    """The same."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
