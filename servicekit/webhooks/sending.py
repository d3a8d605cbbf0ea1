"""One attempt: one request to one address, and what came back. Knows no database."""

import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any, Final

from servicekit.webhooks import addresses
from servicekit.webhooks.addresses import Address, Network, Refused, Target

# Of a request, in bytes: what Standard Webhooks asks senders to stay below.
MAX_BODY_BYTES: Final = 20_000
TIMEOUT_S: Final = 15.0
# Of an answer, in bytes. The rest is not read.
READ_BYTES: Final = 500
GONE: Final = 410


@dataclass(frozen=True)
class Message:
    """What is sent: `make_headers` signs it, at the moment at which it is sent."""

    url: str
    body: bytes
    make_headers: Callable[[int], Mapping[str, str]]


@dataclass(frozen=True)
class Answer:
    """What became of an attempt.

    Attributes:
        began: Seconds since 1970.
        status: None where there was no answer.
        text: The first bytes of its body.
        problem: Why it is no success; empty: it is one.
        retry_after_s: What the receiver asks for.
        is_refused: Nobody may be asked there: nothing was sent.
    """

    began: float
    duration_ms: int
    status: int | None = None
    text: str = ""
    problem: str = ""
    retry_after_s: float = 0.0
    is_refused: bool = False

    @property
    def is_success(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class Sender:
    """How messages are sent.

    Attributes:
        allowed: Networks that may be reached though they are not public, and by plain http.
        resolve: As `socket.getaddrinfo`.
    """

    allowed: Sequence[Network] = ()
    timeout_s: float = TIMEOUT_S
    resolve: addresses.Resolve = field(default=socket.getaddrinfo)

    def send(self, message: Message) -> Answer:
        """Try once. Never raises what a receiver can bring about."""
        began, started = time.time(), time.monotonic()

        def passed_ms() -> int:
            return round((time.monotonic() - started) * 1000)

        try:
            status, headers, text = self._ask(message, deadline=started + self.timeout_s, at=int(began))
        except Refused as refusal:
            return Answer(began, passed_ms(), problem=f"not sent: {refusal.message}", is_refused=True)
        except (OSError, HTTPException, UnicodeError) as problem:
            return Answer(began, passed_ms(), problem=_words_of(problem))
        said = "" if 200 <= status < 300 else _STATUS_PROBLEMS.get(status // 100, f"it answered {status}")
        return Answer(began, passed_ms(), status, text, said, _retry_after_s(headers.get("retry-after", ""), began))

    def _ask(self, message: Message, *, deadline: float, at: int) -> tuple[int, Mapping[str, str], str]:
        target = addresses.parse(message.url, allowed=self.allowed)
        address = addresses.resolve(target, allowed=self.allowed, ask=self.resolve)
        with _connect(target, address, deadline) as connection:
            connection.settimeout(_left_s(deadline))
            connection.sendall(_written(target, message.make_headers(at), message.body))
            response = HTTPResponse(_UntilDeadline(connection, deadline), method="POST")  # type: ignore[arg-type]
            response.begin()
            try:
                said = response.read(READ_BYTES)
            except (OSError, HTTPException):
                said = b""  # it has answered; what it says on top of that is for people
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, said.decode("utf-8", "replace").replace("\0", "\ufffd")


_STATUS_PROBLEMS: Final = {3: "it answered with a redirect, which is not followed"}


class _UntilDeadline:
    """A connection of which nothing is read after a moment, however slowly it comes. For `HTTPResponse`."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Bytes(self._connection, self._deadline))


class _Bytes(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_left_s(self._deadline))
        return self._connection.recv_into(buffer)


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _connect(target: Target, address: Address, deadline: float) -> socket.socket:
    """A connection to this address and no other; with TLS it must prove to be the host."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left_s(deadline))
        connection.connect((str(address), target.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme == "https":
            connection.settimeout(_left_s(deadline))
            return _tls().wrap_socket(connection, server_hostname=target.host)
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    """Certificates and names are verified, by what the system trusts (or `SSL_CERT_FILE`)."""
    return ssl.create_default_context()


def _written(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    named = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "order-and-payment-webhooks",
        "Accept": "*/*",
        "Connection": "close",
        **headers,
    }
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


# The first that fits, in words for the log: without anything of the inside of this machine.
_WORDS: Final[Sequence[tuple[type[Exception], str]]] = (
    (TimeoutError, "no answer in time"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ssl.SSLError, "the TLS handshake failed"),
    (socket.gaierror, "its name cannot be resolved"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionError, "the connection was broken off"),
    (HTTPException, "its answer is no HTTP"),
)


def _words_of(problem: Exception) -> str:
    return next((words for kind, words in _WORDS if isinstance(problem, kind)), "it could not be reached")


def _retry_after_s(said: str, now: float) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date; 0 where it says nothing that can be read."""
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
