"""A request's trace leads through: into the log, into its events, and on to the next service."""

import pytest
import responses

from servicekit.events import store
from servicekit.events.models import Event
from servicekit.http.client import HttpClient, once
from servicekit.observability import tracing
from servicekit.tests.conftest import Api, LogLines

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PEER = "https://peer.test/things/"
UNSOUND = [
    "",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    TRACE.upper(),
    TRACE + "-more",
    TRACE + "\n",
    TRACE.replace("00-", "ff-", 1),
    TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
    TRACE.replace("00f067aa0ba902b7", "0" * 16),
    "ä" * tracing.TRACEPARENT_LENGTH,
]


def append() -> Event:
    store.append("order.paid", aggregate_type="order", aggregate_id="o-1", sequence=1, data={})
    return Event.objects.get()


@responses.activate
def what_is_passed_on() -> str | None:
    responses.get(PEER, json={})
    HttpClient(PEER, connect_timeout_s=1, read_timeout_s=1).call("GET", PEER, retries=once(1.0))
    found: str | None = responses.calls[0].request.headers.get("traceparent")
    return found


@pytest.mark.django_db
def test_a_trace_is_kept_and_passed_on(api: Api, log_lines: LogLines) -> None:
    """As it came."""
    api.get("/echo", traceparent=TRACE)
    assert append().traceparent == TRACE
    assert what_is_passed_on() == TRACE
    assert log_lines()[0]["traceparent"] == TRACE


@pytest.mark.django_db
@pytest.mark.parametrize("given", UNSOUND)
def test_what_is_no_trace_is_ignored(api: Api, log_lines: LogLines, given: str) -> None:
    """Nothing that could break a header or a line is taken in."""
    assert api.get("/echo", traceparent=given).status_code == 200
    assert append().traceparent is None
    assert what_is_passed_on() is None
    assert "traceparent" not in log_lines()[0]


@pytest.mark.django_db
def test_one_requests_trace_does_not_leak_into_the_next(api: Api, log_lines: LogLines) -> None:
    """A thread serves many."""
    api.get("/echo", traceparent=TRACE)
    api.get("/echo")
    assert append().traceparent is None
    assert what_is_passed_on() is None
    assert "traceparent" not in log_lines()[1]
