"""Which gateway serves which payment method. The only module that names a concrete gateway.

Adding one is a file beside this and a line in `_MAKERS`; see docs/gateways.md.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from django.conf import settings

from payment_service.payments.gateways.base import Gateway
from payment_service.payments.gateways.direct import DirectGateway
from payment_service.payments.gateways.metered import MeteredGateway
from payment_service.payments.gateways.simulated import SimulatedGateway
from payment_service.payments.gateways.stripe import StripeGateway


def _simulated() -> Gateway:
    return SimulatedGateway(
        success_rate=settings.GATEWAY_SUCCESS_RATE,
        delay_s=settings.GATEWAY_DELAY_S,
        timeout_s=settings.GATEWAY_TIMEOUT_S,
        slow_s=settings.GATEWAY_SLOW_S,
        seed=settings.GATEWAY_SEED,
    )


def _stripe() -> Gateway:
    return StripeGateway(
        api_key=settings.STRIPE_API_KEY,
        timeout_s=settings.GATEWAY_TIMEOUT_S,
        base_url=settings.STRIPE_API_URL or None,
    )


_MAKERS: Final[Mapping[str, Callable[[], Gateway]]] = {
    "direct": DirectGateway,
    "simulated": _simulated,
    "stripe": _stripe,
}


def names() -> frozenset[str]:
    """Every gateway that the setting may name."""
    return frozenset(_MAKERS)


def name_for(method: str) -> str:
    """The gateway that serves a payment method (one of the keys of `PAYMENT_GATEWAYS`)."""
    table: Mapping[str, str] = settings.PAYMENT_GATEWAYS
    return table[method]


@cache
def gateway(name: str) -> Gateway:
    """The gateway of that name; one per process, safe to share between threads."""
    return MeteredGateway(name, _MAKERS[name]())
