"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. The only module that knows it; loaded only where traces are on.

What the SDK can be told comes from its own `OTEL_*` variables: the address, the sampler, headers, the pace of sending.
"""

import os
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import Tracer as OtelTracer

from servicekit.observability import spans
from servicekit.observability.spans import Attributes, Kind, Span

_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_HEX: Final = 16


def tracer(*, service: str, version: str) -> "Tracer":
    """One that sends what it is given from a thread of its own. Ends, with what it still has, when the process does."""
    about = {"service.version": version}
    if "OTEL_SERVICE_NAME" not in os.environ:
        about["service.name"] = service
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracer(provider.get_tracer("servicekit", version), follows_callers=isinstance(provider.sampler, ParentBased))


class Tracer:
    """Makes spans. `follows_callers`: what a caller does not sample the SDK would not either, and need not be asked."""

    def __init__(self, tracer: OtelTracer, *, follows_callers: bool) -> None:
        self._tracer = tracer
        self._follows_callers = follows_callers

    def begin(self, name: str, kind: Kind, attributes: Attributes, *, within: Span | None, of: str | None) -> Span:
        if of is not None and self._follows_callers and not int(of[-1], _HEX) & 1:
            return _NotSampled(of)
        if isinstance(within, _Span):
            parent: OtelSpan | None = within.span
        else:
            parent = NonRecordingSpan(_context_of(of)) if of is not None else None
        # Without a parent an empty context: that of OpenTelemetry's own is never used here.
        context = set_span_in_context(parent, {}) if parent is not None else {}  # type: ignore[arg-type]
        span = self._tracer.start_span(name, context, _KINDS[kind], attributes)  # type: ignore[arg-type]
        return _Span(span, is_first=within is None)


def _context_of(traceparent: str) -> SpanContext:
    """Of a header that is as https://www.w3.org/TR/trace-context/ wants it."""
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, _HEX), int(span, _HEX), is_remote=True, trace_flags=TraceFlags(int(flags, _HEX) & 1))


class _NotSampled(spans.Nothing):
    """Only passes on that its caller did not sample."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent
        self._token: Token[Span | None] | None = None

    def __enter__(self) -> Span:
        self._token = spans.current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            spans.current.reset(self._token)


class _Span:
    """One of OpenTelemetry's, as a context of this thread."""

    def __init__(self, span: OtelSpan, *, is_first: bool) -> None:
        self.span = span
        self.is_recorded = span.is_recording()
        found = span.get_span_context()
        self.traceparent: str | None = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
        self._is_first = is_first
        self._tokens: tuple[Token[Span | None], Token[Span | None] | None] | None = None

    def set(self, name: str, value: str | int | bool) -> None:
        self.span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        self.span.update_name(name)

    def failed(self, why: str) -> None:
        self.span.set_attribute("error.type", why)
        self.span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self.span.end()

    def __enter__(self) -> Span:
        self._tokens = (spans.current.set(self), spans.first.set(self) if self._is_first else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tokens is not None:
            inner, outer = self._tokens
            spans.current.reset(inner)
            if outer is not None:
                spans.first.reset(outer)
        if kind is not None:
            self.failed(kind.__name__)  # not what it says: that may be a body's
        self.span.end()
