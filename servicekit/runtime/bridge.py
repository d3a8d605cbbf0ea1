"""What stands between the server and a service's WSGI application: a request comes in whole, or it is refused.

The server hands over a request when its head is there. Its own WSGI side has a thread wait for the body, for as long as
that takes; this one has nobody wait: a body is received without a thread, within a bounded time and size, and the
application is called on a thread of the server's when the last byte is in (docs/adr/0019).
"""

import io
import sys
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any, Final, Protocol

import structlog

from servicekit import exactjson
from servicekit.web.middleware import BODY_PROBLEM, INCOMPLETE, LATE

log = structlog.get_logger()

# How often to look for bodies that are late.
_LOOK_EVERY_S: Final = 0.5
# Bodies on their way at once. One more ends the wait for the oldest, so that those who are slow are in each other's way
# only; it bounds the memory they take, too.
MAX_BODIES: Final = 1_000
# Parts of a chunked body. Each costs a call, whatever little there is in it.
MAX_CHUNKS: Final = 2_000
# Names of headers whose place in the environment is remembered. More are sent by nobody who means well.
_NAMES_KEPT: Final = 256
# A header that nobody here looks at: what it would read in part are files of ours, which are sent whole.
_IGNORED: Final = ("range",)
# The server would name itself, and cannot be asked to leave the header out.
_FURTHER: Final = (("Server", ""),)
# What stands for a value that is not ASCII, which the server does not show: a header is not absent for that. None that
# decides something may have this value.
_UNREADABLE: Final = "\xff"
_LAST: Final = (*_FURTHER, ("Connection", "close"))
_CRASHED: Final = exactjson.encode({"error": "Internal server error", "code": "internal_error"})


class Future(Protocol):
    """Something that the server will know."""

    def add_done_callback(self, callback: Callable[[Any], None]) -> None: ...

    def cancel(self) -> bool: ...

    def result(self) -> bytes:
        """Raises CancelledError, or the server's own error where the client has gone."""


class HereAndNow:
    """The event loop that the server asks for: it calls what it is given at once, on the thread that gave it."""

    def call_soon(self, callback: Callable[..., None], *arguments: Any, context: object = None) -> None:
        callback(*arguments)

    call_soon_threadsafe = call_soon


@dataclass(frozen=True)
class Limits:
    """`body_s` seconds for a body to arrive, of `body_bytes` at most."""

    body_s: float
    body_bytes: int


Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Bridge:
    """Takes the server's requests to an application. Called by the server on a thread of its own for each."""

    def __init__(self, application: Application, *, limits: Limits, host: str, port: int, prefix: str = "") -> None:
        self._application = application
        self._limits = limits
        self._prefix = prefix.rstrip("/")
        self._base: Environ = {
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": "servicekit",
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._keys: dict[str, str] = {
            "content-type": "CONTENT_TYPE",
            "content-length": "CONTENT_LENGTH",
            **dict.fromkeys(_IGNORED, ""),
        }
        # The oldest first, as all have the same time.
        self._bodies: dict[_Body, None] = {}
        self._lock = Lock()

    def watch(self) -> None:
        """Begin to look after bodies that are late."""
        Thread(target=self._look_after_bodies, name="late-bodies", daemon=True).start()

    def __call__(self, watcher: Any) -> None:
        """Take one request. Raises nothing and returns nothing: the server looks at neither."""
        proto = watcher.proto
        try:
            environ = self.environ_of(watcher.scope)
            if "HTTP_TRANSFER_ENCODING" in environ:
                self._take_chunked(environ, proto)
            elif environ.get("CONTENT_LENGTH", "0") != "0":
                self._take_sized(environ, proto)
            else:
                self.answer(environ, proto, b"")
        except Exception as problem:
            self.crash(proto, problem)

    def environ_of(self, scope: Any) -> Environ:
        """What WSGI says of a request, without headers with an underscore, which would pass for those with a dash."""
        environ = self._base.copy()
        path = scope.path
        if self._prefix and f"{path}/".startswith(f"{self._prefix}/"):
            environ["SCRIPT_NAME"], path = self._prefix, path[len(self._prefix) :] or "/"
        environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")
        environ["REQUEST_METHOD"] = scope.method
        environ["QUERY_STRING"] = scope.query_string
        environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
        environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
        keys = self._keys
        sent = scope.headers
        names = set()
        for name, value in sent.items():
            names.add(name)
            key = keys.get(name)
            if key is None:
                key = self._key_of(name)
            if key:
                environ[key] = f"{environ[key]}{_between(key)}{value}" if key in environ else value
        if len(names) < len(sent):  # some have a value that is not ASCII
            for name in sent:
                environ.setdefault(keys.get(name) or self._key_of(name), _UNREADABLE)
        if not environ.get("HTTP_HOST"):
            environ["HTTP_HOST"] = scope.authority or ""
        return environ

    def _key_of(self, name: str) -> str:
        """Its key in the environment; empty for a header that is left out."""
        key = "" if "_" in name else f"HTTP_{name.replace('-', '_').upper()}"
        if len(self._keys) < _NAMES_KEPT:
            self._keys[name] = key
        return key

    def _take_sized(self, environ: Environ, proto: Any) -> None:
        length = environ["CONTENT_LENGTH"]
        # The server has seen to it that it is a number. One that is too large is refused unread.
        if len(length) > len(str(self._limits.body_bytes)) or int(length) > self._limits.body_bytes:
            self.answer(environ, proto, b"", is_unread=True)
        else:
            _Sized(self, environ, proto).begin()

    def _take_chunked(self, environ: Environ, proto: Any) -> None:
        if "CONTENT_LENGTH" in environ or environ["HTTP_TRANSFER_ENCODING"].strip().lower() != "chunked":
            self.answer(environ, proto, b"", is_unread=True)
        else:
            _Chunked(self, environ, proto).begin()

    def answer(self, environ: Environ, proto: Any, body: bytes, *, is_unread: bool = False) -> None:
        """Ask the application, and send what it answers.

        Args:
            is_unread: There is more on the connection than was read, or it is not certain where it ends: the next
                request cannot follow on it.
        """
        environ["wsgi.input"] = io.BytesIO(body)
        begun = _Begun()
        answer: Any = self._application(environ, begun)
        try:
            headers = [*begun.headers, *(_LAST if is_unread else _FURTHER)]
            file = getattr(getattr(answer, "file_to_stream", None), "name", None)
            if file is None:
                proto.response_bytes(begun.status, headers, b"".join(answer))
            else:
                # Sent by the server itself, however slowly the client reads.
                proto.response_file(begun.status, headers, str(file))
        finally:
            answer.close()

    def wait_for(self, body: "_Body") -> None:
        """Wait for a body, if need be in the place of the one that has been waited for the longest."""
        oldest = None
        body.deadline = time.monotonic() + self._limits.body_s
        with self._lock:
            if len(self._bodies) >= MAX_BODIES:
                oldest = next(iter(self._bodies))
                del self._bodies[oldest]
            self._bodies[body] = None
        if oldest is not None:
            oldest.give_up()

    def stop_waiting_for(self, body: "_Body") -> None:
        with self._lock:
            self._bodies.pop(body, None)

    def is_too_large(self, size: int) -> bool:
        return size > self._limits.body_bytes

    def refuse(self, body: "_Body", problem: tuple[int, str, str]) -> None:
        """Have the application answer for a body that did not come as it should."""
        body.environ[BODY_PROBLEM] = problem
        self.answer(body.environ, body.proto, b"", is_unread=True)

    def _look_after_bodies(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            self._give_up_the_late()

    def _give_up_the_late(self) -> None:
        """Its own function, so that no name of a body outlives the look: the server keeps its connection as long."""
        now = time.monotonic()
        for body in list(self._bodies):
            if body.deadline > now:
                break
            body.give_up()

    def crash(self, proto: Any, problem: Exception) -> None:
        log.error("server.crashed", exc_info=problem)
        proto.response_bytes(500, [("Content-Type", "application/json"), *_LAST], _CRASHED)


class _Body:
    """A body on its way."""

    __slots__ = ("_bridge", "_future", "deadline", "environ", "proto")

    def __init__(self, bridge: Bridge, environ: Environ, proto: Any) -> None:
        self._bridge = bridge
        self.environ = environ
        self.proto = proto
        self.deadline = 0.0
        self._future: Future | None = None

    def give_up(self) -> None:
        """Stop waiting for it. Nothing happens when it has just come."""
        future = self._future
        if future is not None:
            future.cancel()

    def _wait_for(self, future: Future) -> None:
        self._future = future
        future.add_done_callback(self._have)

    def _have(self, future: Future) -> None:
        """Go on with what has come; on whichever thread the server calls."""
        bridge = self._bridge
        self._future = None  # it keeps this for good, and what it is made of has no eyes for circles
        try:
            try:
                content = future.result()
            except CancelledError:
                bridge.stop_waiting_for(self)
                bridge.refuse(self, LATE)
            except Exception:
                # The server's own, whose type says nothing: the connection has ended, or what came is no body.
                bridge.stop_waiting_for(self)
                bridge.refuse(self, INCOMPLETE)
            else:
                self._go_on(content)
        except Exception as problem:
            bridge.crash(self.proto, problem)

    def _go_on(self, content: bytes) -> None:
        raise NotImplementedError


class _Sized(_Body):
    """One whose length was announced; the server knows when it is whole."""

    __slots__ = ()

    def begin(self) -> None:
        self._bridge.wait_for(self)
        self._wait_for(self.proto())

    def _go_on(self, content: bytes) -> None:
        self._bridge.stop_waiting_for(self)
        self._bridge.answer(self.environ, self.proto, content)


class _Chunked(_Body):
    """One whose length shows at its end; measured while it comes."""

    __slots__ = ("_has_ended", "_parts", "_size", "_stream")

    def begin(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._has_ended = False
        self._bridge.wait_for(self)
        self._stream = self.proto.__aiter__()
        self._wait_for(self._stream.__anext__())

    def _go_on(self, content: bytes) -> None:
        self._parts.append(content)
        self._size += len(content)
        is_too_large = self._bridge.is_too_large(self._size) or len(self._parts) > MAX_CHUNKS
        try:
            following = None if is_too_large else self._stream.__anext__()
        except StopAsyncIteration:
            following = None
        if following is None:
            self._bridge.stop_waiting_for(self)
            self._finish(is_too_large=is_too_large)
        elif content:
            self._wait_for(following)
        else:
            # Nothing, and that was not the end: the connection has broken, or there are trailers, which nobody reads.
            self._bridge.stop_waiting_for(self)
            following.cancel()
            self._bridge.refuse(self, INCOMPLETE)

    def _finish(self, *, is_too_large: bool) -> None:
        # From here on as if it had been announced. Too many parts are refused like too many bytes.
        environ = self.environ
        del environ["HTTP_TRANSFER_ENCODING"]
        if is_too_large:
            environ["CONTENT_LENGTH"] = str(10**18)
            self._bridge.answer(environ, self.proto, b"", is_unread=True)
        else:
            environ["CONTENT_LENGTH"] = str(self._size)
            # The server may have thrown away a length that contradicted the chunks: whoever forwarded that may have
            # read it, so nothing else may follow on this connection (RFC 9112, 6.1).
            self._bridge.answer(environ, self.proto, b"".join(self._parts), is_unread=True)


class _Begun:
    """WSGI's `start_response`."""

    __slots__ = ("headers", "status")

    def __call__(self, status: str, headers: list[tuple[str, str]], _problem: object = None) -> None:
        self.status = int(status[:3])
        self.headers = headers


def _between(key: str) -> str:
    """What joins two headers of one name."""
    return "; " if key == "HTTP_COOKIE" else ","
