"""What stands around every gateway that has an outside: a slow or dead one takes nobody else's time or place."""

from collections.abc import Callable
from contextlib import nullcontext

from payment_service.payments.gateways.base import Gateway, GatewayUnavailable
from payment_service.payments.gateways.wrapped import Answer, Asked, WrappedGateway
from servicekit.load import slot
from servicekit.load.dependency import Downstream, NotAsked


class GuardedGateway(WrappedGateway):
    """Is not asked at all while that would be no use, and while it is asked others work in the caller's place.

    So an adapter just waits for its answer (docs/adr/0020). During a call the database is out of its reach.

    Args:
        keeps_place: For a gateway that needs our database, and gives the place back by itself when it waits.
    """

    def __init__(self, gateway: Gateway, downstream: Downstream, *, keeps_place: bool = False) -> None:
        super().__init__(gateway)
        self._downstream = downstream
        self._away = nullcontext if keeps_place else slot.elsewhere

    def _ask(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        """A refusal is an answer; no answer is a failure."""
        try:
            with self._downstream.visit(), self._away():
                return call(request)
        except NotAsked as refusal:
            raise GatewayUnavailable from refusal
