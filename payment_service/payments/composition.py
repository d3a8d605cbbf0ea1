"""Whom the payment service asks: the order service, and the gateways that have an outside."""

from collections.abc import Sequence

from payment_service.payments import clients
from payment_service.payments.gateways import registry
from servicekit.load.dependency import Dependency


def dependencies() -> Sequence[Dependency]:
    """Each of them, for whoever wants to know how they are."""
    return [clients.dependency(), *registry.dependencies()]
