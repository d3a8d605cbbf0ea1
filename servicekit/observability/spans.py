"""Spans: what a process did for a trace, from when to when, within what.

Off unless `start` was called, which servers, workers and consumers do where the settings say so (`settings.TRACES`).
Off, OpenTelemetry is not even imported, and each place that could have a span gets `NOTHING`. On, a request that is not
among those sampled has one span that only passes the decision on, and `NOTHING` below it.

The names are declared in observability/contract.yaml.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from types import TracebackType
from typing import Final, Literal, Protocol

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | bool]


class Span(Protocol):
    """One span, a context manager: whatever begins within it is below it. Ends with an error where that is raised."""

    @property
    def is_recorded(self) -> bool:
        """Whether anybody will see it: what is only for it need not be found out otherwise."""
        ...

    @property
    def traceparent(self) -> str | None:
        """The header that makes what another process does a part of it; None without a trace."""
        ...

    def set(self, name: str, value: str | int | bool) -> None: ...

    def rename(self, name: str) -> None: ...

    def failed(self, why: str) -> None:
        """It has not worked. `why` is one of few words."""
        ...

    def end(self) -> None:
        """For a span that is no context."""
        ...

    def __enter__(self) -> "Span": ...

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """What makes spans: `otel.py` has the one there is."""

    def begin(self, name: str, kind: Kind, attributes: Attributes, *, within: Span | None, of: str | None) -> Span: ...


class Nothing:
    """No span. What is of no use to anybody costs nothing."""

    is_recorded = False
    traceparent: str | None = None

    def set(self, name: str, value: str | int | bool) -> None: ...

    def rename(self, name: str) -> None: ...

    def failed(self, why: str) -> None: ...

    def end(self) -> None: ...

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None: ...


NOTHING: Final[Span] = Nothing()
_NO_ATTRIBUTES: Final[Attributes] = {}
# The span that this thread is in, and the one that its process's part of the trace began with.
current: Final[ContextVar[Span | None]] = ContextVar("span", default=None)
first: Final[ContextVar[Span | None]] = ContextVar("first_span", default=None)


class _State:
    tracer: Tracer | None = None


def start(*, service: str, version: str) -> None:
    """From now on there are spans, sent to where the environment says. Once in a process, after the last fork."""
    if _State.tracer is None:
        _State.tracer = import_module("servicekit.observability.otel").tracer(service=service, version=version)


def are_on() -> bool:
    return _State.tracer is not None


def root(name: str, kind: Kind, attributes: Attributes = _NO_ATTRIBUTES, *, of: str | None) -> Span:
    """The first span of what this process does for a trace.

    Args:
        of: The `traceparent` of whoever caused it; None begins a trace, or does not, as the sampler decides.
    """
    if _State.tracer is None:
        return NOTHING
    return _State.tracer.begin(name, kind, attributes, within=None, of=of)


def span(name: str, kind: Kind = "internal", attributes: Attributes = _NO_ATTRIBUTES) -> Span:
    """A span within the one that this thread is in; nothing where that is not recorded."""
    if _State.tracer is None:
        return NOTHING
    within = current.get()
    if within is None or not within.is_recorded:
        return NOTHING
    return _State.tracer.begin(name, kind, attributes, within=within, of=None)


def note(name: str, value: str | int | bool) -> None:
    """Say of all that this process does for the trace what a span below knows: whoever looks for a trace does by it."""
    if _State.tracer is not None and (begun := first.get()) is not None:
        begun.set(name, value)
