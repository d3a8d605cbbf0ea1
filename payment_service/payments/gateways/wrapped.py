"""What every wrapper of a gateway is made of: the five operations, each through one method."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from payment_service.payments.gateways.base import (
    CaptureRequest,
    ChargeOutcome,
    ChargeRequest,
    Gateway,
    Outcome,
    RefundRequest,
    Request,
    VoidRequest,
)

Asked = TypeVar("Asked", bound=Request)
Answer = TypeVar("Answer", bound=ChargeOutcome | None)


class WrappedGateway(ABC):
    """A gateway like the one that it is made of, with something around each operation."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.has_outside_effect = gateway.has_outside_effect
        self.takes_real_money = gateway.takes_real_money

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        return self._ask("charge", self._gateway.charge, request)

    def capture(self, request: CaptureRequest) -> Outcome:
        return self._ask("capture", self._gateway.capture, request)

    def void(self, request: VoidRequest) -> Outcome:
        return self._ask("void", self._gateway.void, request)

    def refund(self, request: RefundRequest) -> Outcome:
        return self._ask("refund", self._gateway.refund, request)

    def find(self, request: Request) -> ChargeOutcome | None:
        return self._ask("find", self._gateway.find, request)

    @abstractmethod
    def _ask(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        """Make the call, with what is to be around it."""
