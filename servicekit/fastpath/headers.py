"""Headers of ours go straight into an answer's table.

Replaces `add_headers` of `servicekit.web.middleware`. `response[...] =` encodes names and values first, and these are
ASCII.
"""

from typing import Any, Final

from django.http.response import HttpResponseBase

from servicekit.fastpath import put
from servicekit.web import middleware

_REQUEST_ID: Final = middleware.REQUEST_ID_HEADER
_NOSNIFF: Final = "X-Content-Type-Options", middleware.NOSNIFF
_NOT_STORED: Final = "Cache-Control", middleware.NOT_STORED
_NOT_FRAMED: Final = [(name.lower(), (name, value)) for name, value in middleware.NOT_FRAMED.items()]


def install() -> None:
    put(middleware, add_headers=_add_headers)


def _add_headers(response: HttpResponseBase, request_id: str) -> None:
    known: Any = response.headers
    sent = known._store
    sent["x-request-id"] = _REQUEST_ID, request_id
    sent["x-content-type-options"] = _NOSNIFF
    if "cache-control" not in sent:
        sent["cache-control"] = _NOT_STORED
    if "content-type" in sent and sent["content-type"][1].startswith("text/html"):
        for name, header in _NOT_FRAMED:
            sent.setdefault(name, header)
    if not response.streaming and "content-length" not in sent:
        sent["content-length"] = "Content-Length", str(len(response.content))  # type: ignore[attr-defined]
