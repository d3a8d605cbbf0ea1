"""A small HTTP client for the tests: JSON with exact decimals, no redirects, no proxies, no retries."""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlsplit

import requests

# Above every deadline of the services, so that a test sees their answer and not its own impatience.
PATIENCE_S: Final = 60.0
JSON_HEADERS: Final = {"Content-Type": "application/json"}

# Address of a service -> the secret of a key that may do everything there. What `make_stack(closed=True)` has made.
KNOWN_KEYS: Final[dict[str, str]] = {}


@dataclass(frozen=True)
class Reply:
    """What came back. `json` has exact decimals; None where there was no body."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any
    elapsed_s: float = 0.0


class Http:
    """Calls to one service, or to several servers of it in turn. Not for several threads at once.

    Args:
        secret: Of the key that each request comes with; by default the known one, where there is one, and "" for none.
    """

    def __init__(self, base_url: str, *others: str, secret: str | None = None, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self.base_url = base_url
        self._turns = cycle([base_url, *others])
        self._session = requests.Session()
        self._session.trust_env = False
        if secret := KNOWN_KEYS.get(base_url, "") if secret is None else secret:
            self._session.headers["Authorization"] = f"Bearer {secret}"

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        """POST a body as JSON; a `Decimal` in it is quoted, which the services accept."""
        return self.request("POST", path, json=body, headers={} if key is None else {"Idempotency-Key": key})

    def request(self, method: str, path: str, **options: Any) -> Reply:
        """Anything else; options are those of `requests`."""
        answer = self._session.request(
            method, next(self._turns) + path, allow_redirects=False, timeout=self._patience_s, **options
        )
        is_json = answer.headers.get("Content-Type", "").startswith("application/json") and answer.text
        parsed = answer.json(parse_float=Decimal) if is_json else None
        return Reply(answer.status_code, answer.headers, answer.text, parsed, answer.elapsed.total_seconds())

    def is_healthy(self) -> bool:
        return self.has("/health")

    def has(self, path: str) -> bool:
        """Whether it answers 200 there, within a second."""
        try:
            return self._session.get(f"{self.base_url}{path}", timeout=1).status_code == 200
        except requests.RequestException:
            return False

    def raw(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        more: Sequence[tuple[str, str]] = (),
    ) -> tuple[int, bytes]:
        """A request whose headers are exactly these, and `more`, however wrong; returns status and body."""
        address = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in [*headers.items(), *more]:
                connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.send(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
