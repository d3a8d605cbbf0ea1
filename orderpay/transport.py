"""Calls: keys, retries, and what an error means."""

import email.utils
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import requests
import urllib3.exceptions

from orderpay import arguments, errors, models

Found = TypeVar("Found")

# Waits between the attempts of one call, in seconds, where the service names none.
BACKOFF_S: Final = (0.2, 0.6, 1.8)
# Longer than that is for the caller to wait.
MAX_RETRY_AFTER_S: Final = 30.0
_TRIED_AGAIN: Final = frozenset({429, 502, 503, 504})
_BY_STATUS: Final[Mapping[int, type[errors.OrderPayError]]] = {
    401: errors.NotAuthenticated,
    402: errors.Declined,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    429: errors.RateLimited,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}
# Refused before anything is done, or with nothing known: whoever says so, on the way or at the end of it.
_CLEAR_WITHOUT_WORDS: Final = frozenset({401, 403, 429, 502, 503, 504})
# What `requests` says of a URL before it has sent anything. `InvalidHeader` is none: it says so of an answer, too.
_NEVER_SENT: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_NO_JSON: Final = object()
_KEY_IN_USE: Final = "idempotency_key_in_use"
_PAYMENT_FAILED: Final = "Payment failed"


@dataclass(frozen=True)
class Answer:
    """A body, and what came with it; `idempotency_key` is that of the call."""

    body: Any
    status: int
    request_id: str
    headers: Mapping[str, str]
    idempotency_key: str = ""


@dataclass(frozen=True)
class _Request:
    """What is sent, each time the same."""

    method: str
    path: str
    query: Mapping[str, str | int | float]
    body: bytes | None
    idempotency_key: str
    is_text: bool


class _Failed(Exception):
    """An attempt that did not do it: what to say of it in the end, and how long to wait before another one."""

    def __init__(self, error: errors.OrderPayError, wait_s: float | None = None, *, is_final: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.wait_s = wait_s
        self.is_final = is_final


class Transport:
    """Calls one service. Safe to share between threads as far as the session is."""

    def __init__(
        self,
        base: str,
        *,
        key: str | Callable[[], str] | None,
        session: requests.Session,
        timeout_s: float,
        retries: int,
        request_id: Callable[[], str] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        name: str = "base",
    ) -> None:
        self.base = arguments.base_url(name, base)
        self._name = name
        self._key = key if callable(key) else arguments.api_key(name, key)
        self._session = session
        self._timeout_s = arguments.seconds("timeout_s", timeout_s)
        self._retries = arguments.count("retries", retries)
        self._request_id = request_id or _new_request_id
        self._sleep = sleep

    def get(self, path: str, read: Callable[[Answer], Found], params: Mapping[str, Any] | None = None) -> Found:
        return self.call("GET", path, read, params=params)

    def post(
        self,
        path: str,
        read: Callable[[Answer], Found],
        body: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | UUID | None = None,
    ) -> Found:
        key = arguments.idempotency_key(idempotency_key)
        return self.call("POST", path, read, body=body or {}, idempotency_key=key)

    def pages(self, path: str, read: Callable[[Any], Found], params: Mapping[str, Any]) -> Iterator[Found]:
        """The rows of a list, page after page: none twice and none left out, also while new ones arrive."""
        # Here and not in the generator below, which begins when the first row is asked for.
        return self._pages(path, read, arguments.parameters(params))

    def _pages(self, path: str, read: Callable[[Any], Found], params: Mapping[str, Any]) -> Iterator[Found]:
        cursor: str | None = ""
        while cursor is not None:
            rows, cursor = self.get(path, partial(_page, read, cursor), {**params, "cursor": cursor})
            yield from rows

    def call(
        self,
        method: str,
        path: str,
        read: Callable[[Answer], Found],
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotency_key: str = "",
        accept: tuple[int, ...] = (),
        ends_it: bool = False,
        is_text: bool = False,
    ) -> Found:
        """One call, repeated with the same key while there is no answer, or none for good.

        Args:
            read: Makes of an answer what is returned. An answer that it cannot read is none.
            accept: Statuses beside 2xx that are read.
            ends_it: What is asked for is the end of something. Whoever asks a second time finds nothing: it is done.
            is_text: The body is no JSON.

        Raises:
            OrderPayError: one of its subclasses, by meaning.
            ValueError: nothing was sent, because it cannot be.
            TypeError: the same.
        """
        sent = None if body is None else json.dumps(arguments.sendable("body", body)).encode()
        query = arguments.parameters(params or {})
        request = _Request(method, path, query, sent, idempotency_key, is_text)
        left, accepted = self._retries, accept
        while True:
            try:
                return self._attempt(request, read, accepted)
            except _Failed as failed:
                wait_s = failed.wait_s or self._backoff_s(left)
                if failed.is_final or left <= 0 or wait_s > MAX_RETRY_AFTER_S:
                    raise failed.error from failed.__cause__
                if ends_it and failed.error.status != 429:
                    accepted = (*accept, 404)
            left -= 1
            self._sleep(wait_s)

    def _attempt(self, request: "_Request", read: Callable[[Answer], Found], accepted: tuple[int, ...]) -> Found:
        try:
            answer = self._once(request)
        except _NEVER_SENT:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            message = f"No answer from {self.base}: {type(problem).__name__}"
            raise _Failed(errors.Unavailable(message, idempotency_key=request.idempotency_key)) from problem
        wait_s = _retry_after_s(answer.headers)
        try:
            if answer.status < 300 or answer.status in accepted:
                return read(answer)
            error = error_of(answer)
        except models.Unreadable as unreadable:
            unusable = errors.Unavailable(
                f"No usable answer from {self.base}: HTTP {answer.status}, and {unreadable}",
                status=answer.status,
                request_id=answer.request_id,
                idempotency_key=answer.idempotency_key,
            )
            raise _Failed(unusable, wait_s) from unreadable
        raise _Failed(error, wait_s, is_final=not _may_be_repeated(answer))

    def _once(self, request: "_Request") -> Answer:
        headers = self._headers(request.idempotency_key)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        found = self._session.request(
            request.method,
            self.base + request.path,
            params=request.query,
            data=request.body,
            headers=headers,
            timeout=(min(3.05, self._timeout_s), self._timeout_s),
            allow_redirects=False,
        )
        body = found.text if request.is_text and found.status_code < 300 else _json(found.content)
        request_id = found.headers.get("X-Request-ID", "")
        return Answer(body, found.status_code, request_id, found.headers, request.idempotency_key)

    def _headers(self, idempotency_key: str) -> dict[str, str]:
        key = arguments.api_key(self._name, self._key()) if callable(self._key) else self._key
        headers = {"Accept": "application/json", "X-Request-ID": arguments.request_id(self._request_id())}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _backoff_s(self, left: int) -> float:
        return BACKOFF_S[min(self._retries - left, len(BACKOFF_S) - 1)]


def error_of(answer: Answer) -> errors.OrderPayError:
    """The exception that says what an answer means.

    Raises:
        models.Unreadable: it is not in a service's words, and its status alone does not say what became of the call.
    """
    body: Mapping[str, Any] = answer.body if isinstance(answer.body, Mapping) else {}
    said = body.get("error")
    if not (isinstance(said, str) and said) and answer.status not in _CLEAR_WITHOUT_WORDS:
        raise models.Unreadable("no sentence that says why")
    order = models.read(models.Order, body) if "customer_name" in body and "number" in body else None
    if answer.status in _BY_STATUS:
        kind = _BY_STATUS[answer.status]
    elif order is not None:
        is_declined = order.cancellation_reason == _PAYMENT_FAILED
        kind = errors.Declined if is_declined else errors.OrderCancelled
    else:
        kind = errors.Invalid if 400 <= answer.status < 500 else errors.UnexpectedAnswer
    error = kind(
        str(said or f"HTTP {answer.status}, and no sentence that says why"),
        code=str(body.get("code") or ""),
        status=answer.status,
        request_id=answer.request_id,
        body=body,
        idempotency_key=answer.idempotency_key,
    )
    if isinstance(error, (errors.OrderCancelled, errors.Unavailable)):
        error.order = order
    if isinstance(error, (errors.RateLimited, errors.Unavailable)):
        error.retry_after_s = _retry_after_s(answer.headers) or 0.0
    return error


def _page(read: Callable[[Any], Found], asked: str, answer: Answer) -> tuple[list[Found], str | None]:
    """The rows, and the cursor of the page behind them."""
    rows = [read(each) for each in models.one(answer.body, "items", tuple[Any, ...])]
    cursor: str | None = models.one({"next_cursor": None, **answer.body}, "next_cursor", str | None)
    if cursor in ("", asked):
        raise models.Unreadable("the same page would follow")
    return rows, cursor


def _json(content: bytes) -> Any:
    """What the JSON says, amounts exact; a word that no JSON is where it is none."""
    if not content:
        return None
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        return _NO_JSON


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _may_be_repeated(answer: Answer) -> bool:
    """Whether nothing was done. An order that comes with a 503 is an answer: it is cancelled."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    if answer.status == 409:
        return body.get("code") == _KEY_IN_USE
    return answer.status in _TRIED_AGAIN and "status" not in body


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, said as such or as a moment; None where nothing is said."""
    said = headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time()) if said else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _new_request_id() -> str:
    return uuid.uuid4().hex
