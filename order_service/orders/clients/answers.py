"""What an HTTP outcome means to the saga: an answer it can use, or `Unreachable`."""

from order_service.orders.ports import Unreachable
from servicekit.http import HttpClient, HttpFailure, Reply
from servicekit.retries import RetryPolicy


def call(
    http: HttpClient,
    method: str,
    url: str,
    *,
    retries: RetryPolicy,
    json: object = None,
    idempotency_key: str | None = None,
) -> Reply:
    """Send a request; an answer that is worth repeating even after the last try is an outage."""
    try:
        reply = http.call(method, url, json=json, retries=retries, idempotency_key=idempotency_key)
    except HttpFailure as failure:
        raise Unreachable(type(failure).__name__) from failure
    if reply.worth_repeating():
        raise Unreachable(f"status {reply.status}", retry_after_s=reply.retry_after_s)
    return reply


def unusable(reply: Reply) -> Unreachable:
    """The peer answered something that its contract does not have. It is no answer to the question, so an outage."""
    return Unreachable(f"unusable answer, status {reply.status}")
