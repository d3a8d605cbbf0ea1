"""What an HTTP outcome means to the saga: an answer it can use, `Unreachable`, `Unusable` or `NotLetIn`."""

from order_service.orders.ports import NotLetIn, Unreachable, Unusable
from servicekit.http import peers
from servicekit.http.client import HttpClient, HttpFailure, KeyRefused, Reply, Unreadable
from servicekit.retry import RetryPolicy


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
    except Unreadable as answer:
        raise Unusable(f"unusable answer, status {answer.status}: {answer}", status=answer.status) from answer
    except KeyRefused as refusal:
        raise NotLetIn(str(refusal), status=refusal.status) from refusal
    except HttpFailure as failure:
        raise Unreachable(type(failure).__name__) from failure
    if reply.worth_repeating():
        raise Unreachable(f"status {reply.status}", retry_after_s=reply.retry_after_s)
    return reply


def unusable(reply: Reply, why: str = "no answer to this question") -> Unusable:
    """The peer answered something that its contract does not have."""
    peers.report(reply, why)
    return Unusable(f"unusable answer, status {reply.status}: {why}", status=reply.status)
