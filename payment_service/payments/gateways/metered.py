"""Counts and times what is asked of a gateway, whichever it is."""

import time
from collections.abc import Callable
from functools import cache
from typing import Final

from prometheus_client import Histogram

from payment_service.payments.gateways.base import (
    ActionRequired,
    Approved,
    ChargeRequest,
    Declined,
    Gateway,
    GatewayUnavailable,
    OutcomeUnknown,
)
from payment_service.payments.gateways.wrapped import Answer, Asked, WrappedGateway
from servicekit.observability import spans
from servicekit.observability.metrics import BUCKETS_S

_CALL_SECONDS: Final = Histogram(
    "gateway_call_duration_seconds",
    "Calls to payment gateways and how they ended: approved, declined, action (the payer has to confirm), "
    "not_seen (what was looked up), unavailable, "
    "unknown (no answer), or crashed.",
    ("gateway", "operation", "outcome"),
    buckets=BUCKETS_S,
)


class MeteredGateway(WrappedGateway):
    """Leaves a count and a time of each call."""

    def __init__(self, name: str, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._name = name

    def _ask(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        started = time.perf_counter()
        outcome = "crashed"
        with spans.span(f"gateway {operation}", "client", {"gateway.name": self._name}) as span:
            try:
                answer = call(request)
                outcome = _OUTCOMES[type(answer)]
            except GatewayUnavailable:
                outcome = "unavailable"
                raise
            except OutcomeUnknown:
                outcome = "unknown"
                raise
            finally:
                _calls(self._name, operation, outcome).observe(time.perf_counter() - started)
                if span.is_recorded:
                    span.set("gateway.outcome", outcome)
                    if isinstance(request, ChargeRequest):
                        span.set("order.id", request.order_id)
        return answer


_OUTCOMES: Final[dict[type, str]] = {
    Approved: "approved",
    Declined: "declined",
    ActionRequired: "action",
    type(None): "not_seen",
}


@cache
def _calls(gateway: str, operation: str, outcome: str) -> Histogram:
    """Kept, because finding it by its labels takes longer than counting."""
    return _CALL_SECONDS.labels(gateway, operation, outcome)
