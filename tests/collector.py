"""A receiver of OTLP over HTTP: keeps the spans that real services send."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PATH: Final = "/v1/traces"


@dataclass(frozen=True)
class Seen:
    """One span. `parent` is the id of another, empty for the first of a trace."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Any]
    has_failed: bool
    started_ns: int
    ended_ns: int


class Collector:
    """What has come so far."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._lock = threading.Lock()
        self._spans: list[Seen] = []

    @property
    def environment(self) -> dict[str, str]:
        """What has a service send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def spans(self, trace: str = "") -> list[Seen]:
        with self._lock:
            return [span for span in self._spans if not trace or span.trace == trace]

    def take(self, body: bytes) -> None:
        found = [
            _seen(resource.resource, span)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found


def _seen(resource: Any, span: Span) -> Seen:
    about = {each.key: each.value.string_value for each in resource.attributes}
    return Seen(
        service=about["service.name"],
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes={each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes},
        has_failed=span.status.code == Status.STATUS_CODE_ERROR,
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == PATH
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
