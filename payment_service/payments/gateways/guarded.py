"""Keeps a gateway that is slow or dead from taking everybody's time: see `servicekit.downstream`."""

from collections.abc import Callable

from payment_service.payments.gateways.base import Gateway, GatewayUnavailable
from payment_service.payments.gateways.wrapped import Answer, Asked, WrappedGateway
from servicekit.downstream import Downstream, NotAsked


class GuardedGateway(WrappedGateway):
    """Is not asked at all while that would be no use."""

    def __init__(self, gateway: Gateway, downstream: Downstream) -> None:
        super().__init__(gateway)
        self._downstream = downstream

    def _ask(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        """A refusal is an answer; no answer is a failure."""
        try:
            with self._downstream.visit():
                return call(request)
        except NotAsked as refusal:
            raise GatewayUnavailable from refusal
