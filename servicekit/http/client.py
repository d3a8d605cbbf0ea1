"""The HTTP client for talking to another service: pooled, bounded in time, JSON both ways.

Only this module and its transports know `requests`. Two failures are told apart, because money depends on the
difference: `NotSent` (the peer never saw the request) and `NoAnswer` (it may have, and what it did is not known).
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

import requests
import structlog
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from servicekit import exactjson
from servicekit.errors import Overloaded
from servicekit.http import transport
from servicekit.http.peer_keys import PeerKey
from servicekit.http.transport import (
    MAX_ANSWER_BYTES,
    MAX_ANSWER_VALUES,
    AnswerTooLarge,
    EndlessAnswer,
    NotConnected,
    NotHttp,
)
from servicekit.load import slot
from servicekit.load.dependency import OPEN, Call, CallRejected, Dependency
from servicekit.observability import spans, tracing
from servicekit.observability.spans import Span
from servicekit.retry import RetryPolicy
from servicekit.web.middleware import REQUEST_ID_HEADER

log = structlog.get_logger()

# The shortest call worth starting; with less time left the deadline has passed.
_SHORTEST_CALL_S: Final = 0.01
# A peer may ask for more patience than any caller of ours has; the deadline decides in the end.
_LONGEST_RETRY_AFTER_S: Final = 3600.0
_FIRST_SERVER_ERROR: Final = 500
# The event in the log for an answer that is none to what was asked.
UNUSABLE_ANSWER: Final = "http.unusable_answer"
# And for one that says that we may not ask.
KEY_REFUSED: Final = "http.key_refused"
_UNAUTHENTICATED: Final = 401
_NOT_LET_IN: Final = (_UNAUTHENTICATED, 403)
# What of a peer's words is repeated: a scope, or a code.
_WORD: Final = re.compile(r"[A-Za-z0-9_:.-]{1,64}", re.ASCII)


class HttpFailure(Exception):
    """No usable answer."""


class NotSent(HttpFailure):
    """The connection could not be made: the peer has not seen the request."""


class _CircuitOpen(NotSent):
    """Nobody asks this peer for a while; it is not worth waiting for."""


class NoAnswer(HttpFailure):
    """The request was sent and no usable answer came: what the peer did is not known."""


class Unreadable(NoAnswer):
    """An answer came that is no JSON, or too much of it. The same request would be answered the same again."""

    def __init__(self, why: str, *, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class KeyRefused(HttpFailure):
    """The peer does not let us ask this, 401 or 403: it did nothing. Only a person can put that right."""

    def __init__(self, why: str, *, status: int) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """What came back. `body` is the parsed JSON (decimals exact), None when the answer was empty.

    `method` and `url` are what it answers, for the log.
    """

    status: int
    body: Any
    retry_after_s: float = 0.0
    method: str = field(default="", compare=False)
    url: str = field(default="", compare=False)

    def worth_repeating(self) -> bool:
        """Whether the same request may well be answered differently in a moment."""
        return self.status == 429 or self.status >= 500

    def is_outage(self) -> bool:
        """Whether the peer does not work. One that has too much to do works, and says so."""
        return self.status >= 500 and not (is_object(self.body) and self.body.get("code") == Overloaded.code)


def once(deadline_s: float) -> RetryPolicy:
    """A policy that tries a single time."""
    return RetryPolicy(attempts=1, first_wait_s=0.0, max_wait_s=0.0, deadline_s=deadline_s)


class HttpClient:
    """Calls to one service. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        key: PeerKey | None = None,
        dependency: Dependency | None = None,
        pool_size: int = 32,
        sleep: Callable[[float], None] = slot.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = base_url
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._key = key
        self._guard = dependency.guard if dependency else _unguarded
        self._adapter = transport.adapter_for(base_url, pool_size=pool_size)
        self._about = {"server.address": urlsplit(base_url).netloc.rpartition("@")[2]}
        self._sleep = sleep
        self._jitter = jitter

    def call(
        self, method: str, url: str, *, retries: RetryPolicy, json: object = None, idempotency_key: str | None = None
    ) -> Reply:
        """Send one request, again as `retries` says on no connection, no answer, 429 and 5xx.

        Only for requests that are safe to repeat: reads, and writes keyed by an id of ours.

        Sent once at most while the peer's circuit is open; see `servicekit.load.dependency`.

        Raises:
            NotSent, NoAnswer: the last attempt's failure; a 429 or 5xx of the last attempt is returned instead.
            Unreadable, KeyRefused: at once.
        """
        deadline = time.monotonic() + retries.deadline_s
        attempt_no = 0
        while True:
            attempt_no += 1
            outcome = self._attempt(method, url, json, idempotency_key, deadline=deadline)
            if isinstance(outcome, Reply) and not outcome.worth_repeating():
                return outcome
            if isinstance(outcome, (_CircuitOpen, Unreadable, KeyRefused)):
                raise outcome
            retry_after_s = outcome.retry_after_s if isinstance(outcome, Reply) else 0.0
            wait_s = retries.wait_after(attempt_no, retry_after_s=retry_after_s, jitter=self._jitter)
            if attempt_no >= retries.attempts or time.monotonic() + wait_s >= deadline:
                return _final(outcome)
            log.warning("http.retry", method=method, url=url, attempt_no=attempt_no, reason=_reason(outcome))
            self._sleep(wait_s)

    def _attempt(
        self, method: str, url: str, json: object, idempotency_key: str | None, *, deadline: float
    ) -> Reply | HttpFailure:
        def send(secret: str) -> Reply | HttpFailure:
            with spans.span(method, "client", self._about) as span:
                outcome = self._ask(_prepare(method, url, json, idempotency_key, secret), self._timeouts(deadline))
                if span.is_recorded:
                    _describe(span, method, outcome)
            return outcome

        secret = self._key.secret() if self._key else ""
        try:
            with self._guard() as call:
                outcome = send(secret)
                if _status_of(outcome) in _NOT_LET_IN:
                    outcome = self._let_in_otherwise(send, secret, outcome, method, url)
                if _is_outage(outcome):
                    call.failed()
        except CallRejected as refusal:
            return _CircuitOpen() if refusal.reason == OPEN else NotSent("too many calls wait for an answer")
        return outcome

    def _let_in_otherwise(
        self,
        send: Callable[[str], Reply | HttpFailure],
        secret: str,
        outcome: Reply | HttpFailure,
        method: str,
        url: str,
    ) -> Reply | HttpFailure:
        """Once more with another secret, where the peer does not know this one and there is one: it did nothing."""
        if _status_of(outcome) == _UNAUTHENTICATED and self._key and (other := self._key.other_than(secret)):
            secret = other
            outcome = send(secret)
        status = _status_of(outcome)
        if status not in _NOT_LET_IN:
            return outcome
        why = _why_not_let_in(outcome, self._key, secret)
        log.error(KEY_REFUSED, method=method, url=url, status=status, reason=why)
        return KeyRefused(f"status {status}: {why}", status=status)

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        """To connect, and for the answer."""
        left_s = deadline - time.monotonic()
        return (
            max(_SHORTEST_CALL_S, min(self._connect_timeout_s, left_s)),
            max(_SHORTEST_CALL_S, min(self._read_timeout_s, left_s)),
        )

    def _ask(self, request: requests.PreparedRequest, timeout: tuple[float, float]) -> Reply | HttpFailure:
        try:
            with slot.released():
                response = self._adapter.send(request, timeout=timeout)
            return _reply(response, request)
        except (NotHttp, EndlessAnswer) as failure:
            _report(request, "the answer is not HTTP" if isinstance(failure, NotHttp) else "the answer does not end")
            return NoAnswer(str(failure))
        except requests.ConnectionError as failure:
            return NotSent(str(failure)) if never_connected(failure) else NoAnswer(str(failure))
        except AnswerTooLarge:
            return _unreadable(request, "the answer is too large")
        except requests.RequestException as failure:
            return NoAnswer(str(failure))


def _describe(span: Span, method: str, outcome: Reply | HttpFailure) -> None:
    span.set("http.request.method", method)
    if status := _status_of(outcome):
        span.set("http.response.status_code", status)
    if _is_outage(outcome):
        span.failed(_reason(outcome))


@contextmanager
def _unguarded() -> Iterator[Call]:
    yield Call()


def headers_of(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    """As `requests` has them."""
    return CaseInsensitiveDict(headers)


def _prepare(method: str, url: str, json: object, idempotency_key: str | None, secret: str) -> requests.PreparedRequest:
    """A request ready to send.

    Filled in by hand: `Session.request` re-parses the URL, merges cookies, proxies and hooks that we have none of,
    and costs as much again as the call itself.
    """
    headers: dict[str, str] = {"Accept": "application/json"}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        headers[REQUEST_ID_HEADER] = request_id
    traceparent = tracing.current()
    if traceparent is not None:
        headers[tracing.TRACEPARENT_HEADER] = traceparent
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url = method, url
    prepared.body = None if json is None else exactjson.encode(json)
    if prepared.body is not None:
        headers["Content-Type"] = "application/json"
    if method != "GET":
        headers["Content-Length"] = str(len(prepared.body or b""))
    prepared.headers = headers_of(headers)
    return prepared


def _reply(response: requests.Response, request: requests.PreparedRequest) -> Reply | Unreadable:
    status, method, url = response.status_code, request.method or "", request.url or ""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > MAX_ANSWER_BYTES:
        response.close()
        return _unreadable(request, "the answer is too large", status=status)
    content = response.content
    try:
        body = exactjson.decode_once(content, max_values=MAX_ANSWER_VALUES) if content else None
    except exactjson.MalformedJSON:
        if status < _FIRST_SERVER_ERROR:
            return _unreadable(request, "the answer is not JSON", status=status)
        body = None  # an error page of some proxy on the way; the status says enough
    return Reply(status, body, _retry_after_s(response.headers), method, url)


def _unreadable(request: requests.PreparedRequest, why: str, *, status: int = 0) -> Unreadable:
    _report(request, why, status=status)
    return Unreadable(why, status=status)


def _report(request: requests.PreparedRequest, why: str, *, status: int = 0) -> None:
    """Said in the log, with the address: it is mostly the wrong one, which only a person can put right."""
    log.error(UNUSABLE_ANSWER, method=request.method, url=request.url, status=status or None, reason=why)


def _is_outage(outcome: Reply | HttpFailure) -> bool:
    """Whether the peer does not work. One that is asked at a wrong address does, or without the right key."""
    return outcome.is_outage() if isinstance(outcome, Reply) else not isinstance(outcome, (Unreadable, KeyRefused))


def _status_of(outcome: Reply | HttpFailure) -> int:
    """Of what came back, readable or not; 0 where nothing did."""
    return outcome.status if isinstance(outcome, (Reply, Unreadable)) else 0


def _why_not_let_in(outcome: Reply | HttpFailure, key: PeerKey | None, secret: str) -> str:
    """Which key is missing what, never the secret."""
    said = outcome.body if isinstance(outcome, Reply) and is_object(outcome.body) else {}
    word = next((said[name] for name in ("scope", "code") if name in said), None)
    word = word if isinstance(word, str) and _WORD.fullmatch(word) else "forbidden"
    if key is None:
        return "no key of ours goes there"
    if not secret:
        return f"{key.variable} is not set"
    if _status_of(outcome) == _UNAUTHENTICATED:
        return f"{key.named(secret)} is unknown there, expired or revoked"
    return f"{key.named(secret)} lacks the scope {word}" if "scope" in said else f"{key.named(secret)}: {word}"


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds the peer asked to wait. The date form of RFC 9110 is rare between services and counts as none."""
    text = headers.get("Retry-After", "")
    return min(float(text), _LONGEST_RETRY_AFTER_S) if text.isascii() and text.isdigit() else 0.0


def never_connected(failure: BaseException | None) -> bool:
    """Whether a failure of `requests`, ours or another library's, means that the peer has not seen the request."""
    if isinstance(failure, (NotConnected, requests.ConnectTimeout)):
        return True
    if not isinstance(failure, requests.ConnectionError):
        return False
    cause = failure.args[0] if failure.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _final(outcome: Reply | HttpFailure) -> Reply:
    if isinstance(outcome, HttpFailure):
        raise outcome
    return outcome


def _reason(outcome: Reply | HttpFailure) -> str:
    return f"status {outcome.status}" if isinstance(outcome, Reply) else type(outcome).__name__


def is_object(body: Any) -> TypeGuard[dict[str, Any]]:
    """Whether an answer's body is a JSON object at all."""
    return isinstance(body, dict)
