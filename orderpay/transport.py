"""Calls: keys, retries, and what an error means."""

import email.utils
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import requests

from orderpay import errors, models

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
_KEY_IN_USE: Final = "idempotency_key_in_use"
_PAYMENT_FAILED: Final = "Payment failed"


@dataclass(frozen=True)
class Answer:
    """A body, and what came with it."""

    body: Any
    status: int
    request_id: str
    headers: Mapping[str, str]


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
    ) -> None:
        self.base = base.rstrip("/")
        self._key = key
        self._session = session
        self._timeout_s = timeout_s
        self._retries = retries
        self._request_id = request_id or _new_request_id
        self._sleep = sleep

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.call("GET", path, params=params).body

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None) -> Any:
        return self.call("POST", path, body=body or {}, idempotency_key=idempotency_key or str(uuid.uuid4())).body

    def pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The rows of a list, page after page: none twice and none left out, also while new ones arrive."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, {**params, "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotency_key: str = "",
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """One call, repeated with the same key while there is no answer, or none for good.

        Raises:
            OrderPayError: one of its subclasses, by meaning.
        """
        left = self._retries
        while True:
            try:
                answer = self._once(method, path, params, body, idempotency_key)
            except requests.RequestException as problem:
                if left <= 0:
                    message = f"No answer from {self.base}: {type(problem).__name__}"
                    raise errors.Unavailable(message, idempotency_key=idempotency_key) from problem
                wait_s = self._backoff_s(left)
            else:
                if answer.status < 300 or answer.status in accept:
                    return answer
                wait_s = _retry_after_s(answer.headers) or self._backoff_s(left)
                if left <= 0 or wait_s > MAX_RETRY_AFTER_S or not _may_be_repeated(answer):
                    raise error_of(answer, idempotency_key=idempotency_key)
            left -= 1
            self._sleep(wait_s)

    def text(self, path: str) -> str:
        """A body that is no JSON."""
        try:
            found = self._session.get(self.base + path, headers=self._headers(""), timeout=self._timeout_s)
        except requests.RequestException as problem:
            raise errors.Unavailable(f"No answer from {self.base}: {type(problem).__name__}") from problem
        if found.status_code != 200:
            raise error_of(_answer(found))
        return found.text

    def _once(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, idempotency_key: str
    ) -> Answer:
        sent = None if body is None else json.dumps(body, default=_on_wire).encode()
        headers = self._headers(idempotency_key)
        if sent is not None:
            headers["Content-Type"] = "application/json"
        query = {name: _on_wire(value) for name, value in (params or {}).items() if value is not None}
        timeout = (min(3.05, self._timeout_s), self._timeout_s)
        url = self.base + path
        found = self._session.request(
            method, url, params=query, data=sent, headers=headers, timeout=timeout, allow_redirects=False
        )
        return _answer(found)

    def _headers(self, idempotency_key: str) -> dict[str, str]:
        key = self._key() if callable(self._key) else self._key
        headers = {"Accept": "application/json", "X-Request-ID": self._request_id()}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _backoff_s(self, left: int) -> float:
        return BACKOFF_S[min(self._retries - left, len(BACKOFF_S) - 1)]


def path(template: str, *parts: object) -> str:
    """A path whose parameters are quoted: an id that is none cannot become another path."""
    return template.format(*(quote(str(part), safe="") or "-" for part in parts))


def error_of(answer: Answer, *, idempotency_key: str = "") -> errors.OrderPayError:
    """The exception that says what an answer means."""
    body: Mapping[str, Any] = answer.body if isinstance(answer.body, Mapping) else {}
    order = models.read(models.Order, body) if "customer_name" in body and "number" in body else None
    if answer.status in _BY_STATUS:
        kind = _BY_STATUS[answer.status]
    elif order is not None:
        is_declined = order.cancellation_reason == _PAYMENT_FAILED
        kind = errors.Declined if is_declined else errors.OrderCancelled
    else:
        kind = errors.Invalid if 400 <= answer.status < 500 else errors.UnexpectedAnswer
    message = str(body.get("error") or f"HTTP {answer.status}, and no sentence that says why")
    error = kind(
        message,
        code=str(body.get("code") or ""),
        status=answer.status,
        request_id=answer.request_id,
        body=body,
        idempotency_key=idempotency_key,
    )
    if isinstance(error, (errors.OrderCancelled, errors.Unavailable)):
        error.order = order
    if isinstance(error, (errors.RateLimited, errors.Unavailable)):
        error.retry_after_s = _retry_after_s(answer.headers) or 0.0
    return error


def _answer(found: requests.Response) -> Answer:
    request_id = found.headers.get("X-Request-ID", "")
    body: Any = None
    if found.content:
        try:
            body = json.loads(found.content, parse_float=Decimal)
        except ValueError as problem:
            if found.status_code < 300:
                message = "The answer is no JSON: is this the service that it should be?"
                raise errors.UnexpectedAnswer(message, status=found.status_code, request_id=request_id) from problem
    return Answer(body, found.status_code, request_id, found.headers)


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
    except ValueError:
        return None


def _on_wire(value: Any) -> Any:
    """Amounts as exact text, which the services take like a number; moments in ISO 8601."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if hasattr(value, "isoformat") else str(value) if isinstance(value, uuid.UUID) else value


def _new_request_id() -> str:
    return uuid.uuid4().hex
