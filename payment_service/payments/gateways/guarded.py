"""Keeps a gateway that is slow or dead from taking everybody's time: see `servicekit.downstream`."""

from collections.abc import Callable
from typing import TypeVar

from payment_service.payments.gateways.base import (
    CaptureRequest,
    ChargeRequest,
    Gateway,
    GatewayUnavailable,
    Outcome,
    RefundRequest,
    Request,
    VoidRequest,
)
from servicekit.downstream import Downstream, NotAsked

Asked = TypeVar("Asked", bound=Request)
Answer = TypeVar("Answer", bound=Outcome | None)


class GuardedGateway:
    """A gateway like the one that it is made of, which is not asked at all while that would be no use."""

    def __init__(self, gateway: Gateway, downstream: Downstream) -> None:
        self._gateway = gateway
        self._downstream = downstream
        self.has_outside_effect = gateway.has_outside_effect

    def charge(self, request: ChargeRequest) -> Outcome:
        return self._asked(self._gateway.charge, request)

    def capture(self, request: CaptureRequest) -> Outcome:
        return self._asked(self._gateway.capture, request)

    def void(self, request: VoidRequest) -> Outcome:
        return self._asked(self._gateway.void, request)

    def refund(self, request: RefundRequest) -> Outcome:
        return self._asked(self._gateway.refund, request)

    def find(self, request: Request) -> Outcome | None:
        return self._asked(self._gateway.find, request)

    def _asked(self, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        """A refusal is an answer; no answer is a failure."""
        try:
            with self._downstream.visit():
                return call(request)
        except NotAsked as refusal:
            raise GatewayUnavailable from refusal
