import io
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
import structlog
from django.db import connection
from django.test import Client

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401
from servicekit import exactjson

# SQLite has no sessions that could wait for each other, be limited or be killed.
_ONLY_ON = {
    "test_on_servers.py": ("postgresql", "mysql"),
    "test_on_postgresql.py": ("postgresql",),
}
collect_ignore = [name for name, vendors in _ONLY_ON.items() if connection.vendor not in vendors]

LogLines: TypeAlias = Callable[[], list[Any]]


class Api:
    """Django's test client, for JSON. A crash of a view becomes the answer that a real server would send."""

    def __init__(self) -> None:
        self._client = Client(raise_request_exception=False)

    def get(self, path: str, *, query: dict[str, str] | None = None, **headers: str) -> Any:
        return self._client.get(path, query, headers=headers)

    def post(self, path: str, body: str | bytes, *, content_type: str = "application/json", **headers: str) -> Any:
        """`headers` are named with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(path, data=body, content_type=content_type, headers=named)

    def request(self, method: str, path: str, **extra: Any) -> Any:
        return self._client.generic(method, path, **extra)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """A function that returns everything logged so far, as the parsed lines that would stand on standard output."""
    output = io.BytesIO()
    structlog.contextvars.clear_contextvars()
    configured = structlog.get_config()
    structlog.configure(**{**configured, "logger_factory": structlog.BytesLoggerFactory(output)})
    yield lambda: [exactjson.decode(line) for line in output.getvalue().splitlines()]
    structlog.configure(**configured)
