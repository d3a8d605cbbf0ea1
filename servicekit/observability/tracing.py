"""The W3C trace context of the request at hand: taken in, kept with its events, passed on to the next service.

Where a service makes spans of its own (`spans.py`) the header is that of the span at hand. Otherwise it goes on as it
came, as the standard allows.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

import structlog

from servicekit.observability import spans

TRACEPARENT_HEADER: Final = "traceparent"
# Version 00 of https://www.w3.org/TR/trace-context/ has exactly this; a later one begins with it.
TRACEPARENT_LENGTH: Final = 55

# `request.headers` would first build a copy of all of them.
_IN_META: Final = "HTTP_TRACEPARENT"
# Neither id may be all zeros, and there is no version ff.
_SANE: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def take_in(meta: Mapping[str, Any]) -> None:
    """Take the header of a new request when it is sane, else none. In each line of the log from now on."""
    given = meta.get(_IN_META)
    if given is None or not _SANE.fullmatch(given):
        _current.set(None)
        return
    _current.set(given)
    structlog.contextvars.bind_contextvars(traceparent=given)


def is_sane(traceparent: str) -> bool:
    """Whether it is a header as the standard has it."""
    return _SANE.fullmatch(traceparent) is not None


def current() -> str | None:
    """The header of the request that this thread works on, or of the span that it is in."""
    span = spans.current.get()
    return _current.get() if span is None else span.traceparent
