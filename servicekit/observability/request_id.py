"""The id of the request at hand: what its events are found by later. Background work has none."""

from contextvars import ContextVar
from typing import Final

# Of a client's own id, and so of a column.
MAX_LENGTH: Final = 128

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current() -> str | None:
    """The id of the request that this thread works for."""
    return _current.get()


def work_for(request_id: str | None) -> None:
    """From now on this thread works for that request, or for none."""
    _current.set(request_id)
