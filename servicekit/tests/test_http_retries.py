"""The HTTP client's retries, on answers that `responses` scripts; waiting and jitter come in as arguments."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import responses
import structlog
from urllib3.exceptions import NewConnectionError

from servicekit.http.client import HttpClient, NoAnswer, NotSent, Reply, Unreadable, is_object, once
from servicekit.load.circuit_breaker import BreakerPolicy, State
from servicekit.load.dependency import Dependency
from servicekit.retry import RetryPolicy
from servicekit.tests.conftest import LogLines
from servicekit.tests.peers import scripted_peer

URL = "http://peer.test/api/things/"
THREE = RetryPolicy(attempts=3, first_wait_s=0.1, max_wait_s=1.0, deadline_s=10.0)


@pytest.fixture
def peer() -> Iterator[responses.RequestsMock]:
    with scripted_peer() as mock:
        yield mock


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> HttpClient:
    return HttpClient(URL, connect_timeout_s=1, read_timeout_s=2, sleep=waits.append, jitter=lambda: 1.0)


def refused() -> requests.ConnectionError:
    return requests.ConnectionError(NewConnectionError(None, "refused"))  # type: ignore[arg-type]


def reset() -> requests.ConnectionError:
    return requests.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset by peer"))


@pytest.mark.parametrize("status", [200, 201, 202, 301, 400, 402, 404, 409, 422])
def test_an_answer_is_returned_at_once(
    peer: responses.RequestsMock, client: HttpClient, waits: list[float], status: int
) -> None:
    """Refusals too: they will not change by asking again."""
    peer.post(URL, status=status, json={"a": 1})
    assert client.call("POST", URL, retries=THREE, json={}) == Reply(status, {"a": 1})
    assert (len(peer.calls), waits) == (1, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_change_is_asked_again(
    peer: responses.RequestsMock, client: HttpClient, waits: list[float], status: int
) -> None:
    """429 and 5xx, with doubled waits in between."""
    peer.post(URL, status=status)
    peer.post(URL, status=status)
    peer.post(URL, status=201, json={"done": True})
    assert client.call("POST", URL, retries=THREE, json={}) == Reply(201, {"done": True})
    assert (len(peer.calls), waits) == (3, [0.1, 0.2])


def test_the_last_attempts_refusal_is_returned(
    peer: responses.RequestsMock, client: HttpClient, waits: list[float]
) -> None:
    """Out of attempts, the caller sees the 5xx and its body; there is no wait after it."""
    for _ in range(3):
        peer.get(URL, status=503, json={"error": "busy", "code": "busy"})
    assert client.call("GET", URL, retries=THREE) == Reply(503, {"error": "busy", "code": "busy"})
    assert waits == [0.1, 0.2]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refused, NotSent),
        (lambda: requests.ConnectTimeout("slow"), NotSent),
        (reset, NoAnswer),
        (lambda: requests.ReadTimeout("slow"), NoAnswer),
        (lambda: requests.exceptions.ChunkedEncodingError("cut off"), NoAnswer),
    ],
)
def test_a_failed_connection_is_tried_again_and_told_apart(
    peer: responses.RequestsMock, client: HttpClient, failure: Callable[[], Exception], kind: type[Exception]
) -> None:
    """Never seen by the peer, or perhaps seen: money depends on the difference."""
    for _ in range(3):
        peer.post(URL, body=failure())
    with pytest.raises(kind):
        client.call("POST", URL, retries=THREE, json={})
    assert len(peer.calls) == 3


def test_the_last_failure_counts(peer: responses.RequestsMock, client: HttpClient) -> None:
    """Sent once without an answer, then not even sent: what is raised is the last attempt's."""
    peer.post(URL, body=reset())
    peer.post(URL, body=refused())
    with pytest.raises(NotSent):
        client.call("POST", URL, retries=RetryPolicy(2, 0, 0, 10), json={})


def test_retry_after_is_honoured(peer: responses.RequestsMock, client: HttpClient, waits: list[float]) -> None:
    """The peer's wait is longer than ours, so it counts."""
    peer.get(URL, status=429, headers={"Retry-After": "3"})
    peer.get(URL, status=200, json=1)
    assert client.call("GET", URL, retries=THREE).status == 200
    assert waits == [3.0]


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "\xb2"])
def test_another_retry_after_counts_as_none(
    peer: responses.RequestsMock, client: HttpClient, waits: list[float], value: str
) -> None:
    """Only whole seconds; the policy's own wait is used instead."""
    peer.get(URL, status=503, headers={"Retry-After": value})
    peer.get(URL, status=200, json=1)
    assert client.call("GET", URL, retries=THREE).status == 200
    assert waits == [0.1]


def test_a_wait_beyond_the_deadline_is_not_begun(
    peer: responses.RequestsMock, client: HttpClient, waits: list[float]
) -> None:
    """The answer that there is comes back at once, with the wait that was asked for."""
    peer.get(URL, status=503, headers={"Retry-After": "60"})
    assert client.call("GET", URL, retries=THREE) == Reply(503, None, retry_after_s=60.0)
    assert (len(peer.calls), waits) == (1, [])


def test_once_is_once(peer: responses.RequestsMock, client: HttpClient, waits: list[float]) -> None:
    """A policy for calls that somebody else repeats."""
    peer.get(URL, status=500)
    assert client.call("GET", URL, retries=once(5.0)).status == 500
    assert waits == []


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<html>", "status": 200},
        {"body": b'{"a": NaN}', "status": 404},
        {"body": b'{"a": 10.0, "a": 0.01}', "status": 200},
        {"body": b'{"a": [{"b": 1, "\\u0062": 2}]}', "status": 200},
        {"body": b"[" * 30 + b"]" * 30, "status": 200},
        {"body": '{"a": "\u00e9"}'.encode("latin-1"), "status": 200},
        {"body": b"", "status": 200, "headers": {"Content-Length": "5000001"}},
    ],
)
def test_an_answer_that_cannot_be_read_is_no_answer(
    peer: responses.RequestsMock, client: HttpClient, answer: dict[str, Any], log_lines: LogLines
) -> None:
    """No JSON, too much, or a key twice: not known what was done. Asked once, told with the address."""
    peer.post(URL, auto_calculate_content_length=False, **answer)
    with pytest.raises(Unreadable) as refusal:
        client.call("POST", URL, retries=THREE, json={})
    assert (isinstance(refusal.value, NoAnswer), refusal.value.status) == (True, answer["status"])
    assert len(peer.calls) == 1
    (line,) = log_lines()
    assert (line["event"], line["level"], line["method"], line["url"]) == ("http.unusable_answer", "error", "POST", URL)


def test_an_error_page_of_a_proxy_is_still_a_503(peer: responses.RequestsMock, client: HttpClient) -> None:
    """The status of a 5xx says enough."""
    peer.get(URL, status=503, body=b"<html>upstream down</html>")
    assert client.call("GET", URL, retries=once(5.0)) == Reply(503, None)


def test_decimals_are_exact_both_ways(peer: responses.RequestsMock, client: HttpClient) -> None:
    """No float on the way out or in."""
    peer.post(URL, body=b'{"amount":50.10}')
    reply = client.call("POST", URL, retries=once(5.0), json={"amount": Decimal("50.10")})
    assert peer.calls[0].request.body == b'{"amount":50.10}'
    assert str(reply.body["amount"]) == "50.10"


def test_a_byte_order_mark_before_an_answer_says_nothing(peer: responses.RequestsMock, client: HttpClient) -> None:
    """As before a request's body."""
    peer.get(URL, body=b'\xef\xbb\xbf{"a":1}')
    assert client.call("GET", URL, retries=once(5.0)).body == {"a": 1}


def test_an_empty_answer_has_no_body(peer: responses.RequestsMock, client: HttpClient) -> None:
    """204 after a DELETE, which itself sends none."""
    peer.delete(URL, status=204)
    assert client.call("DELETE", URL, retries=once(5.0)) == Reply(204, None)
    sent = peer.calls[0].request
    assert (sent.body, sent.headers["Content-Length"], "Content-Type" in sent.headers) == (None, "0", False)


def test_the_request_id_and_key_are_passed_on(peer: responses.RequestsMock, client: HttpClient) -> None:
    """Every attempt carries the same key."""
    peer.post(URL, status=500)
    peer.post(URL, status=201, json={})
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        client.call("POST", URL, retries=THREE, json={}, idempotency_key="order-1-pay-1")
    for call in peer.calls:
        assert call.request.headers["X-Request-ID"] == "abc"
        assert call.request.headers["Idempotency-Key"] == "order-1-pay-1"
        assert call.request.headers["Content-Type"] == "application/json"


def test_each_retry_is_a_line_in_the_log(peer: responses.RequestsMock, client: HttpClient, log_lines: LogLines) -> None:
    """Which attempt failed and why, without the body."""
    peer.post(URL, status=500)
    peer.post(URL, body=reset())
    peer.post(URL, status=201, json={})
    client.call("POST", URL, retries=THREE, json={"token": "tok_secret"})
    lines = log_lines()
    assert [(line["event"], line["attempt_no"], line["reason"]) for line in lines] == [
        ("http.retry", 1, "status 500"),
        ("http.retry", 2, "NoAnswer"),
    ]
    assert "tok_secret" not in str(lines)


@pytest.mark.parametrize(("body", "is_one"), [({}, True), ({"a": 1}, True), ([], False), (None, False), ("x", False)])
def test_an_object_is_told_from_other_json(body: Any, is_one: bool) -> None:
    """A peer may answer anything."""
    assert is_object(body) is is_one


def test_an_answer_that_cannot_be_read_is_no_outage(peer: responses.RequestsMock) -> None:
    """Who answers works, so its circuit stays closed, however often; a 500 is counted."""
    dependency = Dependency("somebody", BreakerPolicy(failures=2, within_s=60, open_s=60), calls=1, room_wait_s=0)
    client = HttpClient(URL, connect_timeout_s=1, read_timeout_s=1, dependency=dependency)
    for _ in range(4):
        peer.get(URL, body=b'{"a":1,"a":2}')
        with pytest.raises(Unreadable):
            client.call("GET", URL, retries=once(5.0))
    assert dependency.state is State.CLOSED
    for _ in range(2):
        peer.get(URL, status=500)
        client.call("GET", URL, retries=once(5.0))
    assert dependency.state is State.OPEN
