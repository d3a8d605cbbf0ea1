"""What stands around every gateway that has an outside: a slow or dead one takes nobody else's time or slot."""

from collections.abc import Callable
from contextlib import nullcontext

from payment_service.payments.gateways.base import Gateway, GatewayUnavailable
from payment_service.payments.gateways.wrapped import Answer, Asked, WrappedGateway
from servicekit.load import slot
from servicekit.load.dependency import CallRejected, Dependency


class GuardedGateway(WrappedGateway):
    """Is not asked at all while that would be no use, and while it is asked others work in the caller's slot.

    So an adapter just waits for its answer (docs/adr/0020). During a call the database is out of its reach.

    Args:
        keeps_slot: For a gateway that needs our database, and gives the slot back by itself when it waits.
    """

    def __init__(self, gateway: Gateway, dependency: Dependency, *, keeps_slot: bool = False) -> None:
        super().__init__(gateway)
        self._dependency = dependency
        self._away = nullcontext if keeps_slot else slot.released

    def _ask(self, operation: str, call: Callable[[Asked], Answer], request: Asked) -> Answer:
        """A refusal is an answer; no answer is a failure."""
        try:
            with self._dependency.guard(), self._away():
                return call(request)
        except CallRejected as refusal:
            raise GatewayUnavailable from refusal
