"""Counts and times what is asked of a gateway, whichever it is."""

import time
from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

from prometheus_client import Histogram

from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Declined,
    Gateway,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
)
from servicekit.metrics import BUCKETS_S

_CALL_SECONDS: Final = Histogram(
    "gateway_call_duration_seconds",
    "Calls to payment gateways and how they ended: approved, declined, not_seen (what was looked up), unavailable, "
    "unknown (no answer), or crashed.",
    ("gateway", "operation", "outcome"),
    buckets=BUCKETS_S,
)

Asked = TypeVar("Asked", bound=Request)
Answer = TypeVar("Answer", bound=Outcome | None)


class MeteredGateway:
    """A gateway like the one that it is made of."""

    def __init__(self, name: str, gateway: Gateway) -> None:
        self._name = name
        self._gateway = gateway
        self.has_outside_effect = gateway.has_outside_effect

    def charge(self, request: ChargeRequest) -> Outcome:
        return self._timed("charge", self._gateway.charge, request)

    def capture(self, request: CaptureRequest) -> Outcome:
        return self._timed("capture", self._gateway.capture, request)

    def void(self, request: VoidRequest) -> Outcome:
        return self._timed("void", self._gateway.void, request)

    def refund(self, request: RefundRequest) -> Outcome:
        return self._timed("refund", self._gateway.refund, request)

    def find(self, request: Request) -> Outcome | None:
        return self._timed("find", self._gateway.find, request)

    def _timed(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        started = time.perf_counter()
        outcome = "crashed"
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
        return answer


_OUTCOMES: Final[dict[type, str]] = {Approved: "approved", Declined: "declined", type(None): "not_seen"}


@cache
def _calls(gateway: str, operation: str, outcome: str) -> Histogram:
    """Kept, because finding it by its labels takes longer than counting."""
    return _CALL_SECONDS.labels(gateway, operation, outcome)
