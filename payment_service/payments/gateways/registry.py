"""Which gateway serves which payment method. The only module that names a concrete gateway.

Adding one is a file beside this and a line in `_MAKERS`; see docs/gateways.md.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from django.conf import settings

from payment_service.payments.gateways import stripe_notices
from payment_service.payments.gateways.base import Gateway, Notice
from payment_service.payments.gateways.direct import CashGateway, DirectGateway
from payment_service.payments.gateways.guarded import GuardedGateway
from payment_service.payments.gateways.metered import MeteredGateway
from payment_service.payments.gateways.simulated import SimulatedGateway
from payment_service.payments.gateways.stripe import StripeGateway
from servicekit.errors import Overloaded
from servicekit.load import slot
from servicekit.load.dependency import Dependency


def _simulated() -> Gateway:
    return SimulatedGateway(
        success_rate=settings.GATEWAY_SUCCESS_RATE,
        delay_s=settings.GATEWAY_DELAY_S,
        timeout_s=settings.GATEWAY_TIMEOUT_S,
        slow_s=settings.GATEWAY_SLOW_S,
        seed=settings.GATEWAY_SEED,
        page_url=settings.GATEWAY_PAGE_URL,
        sleep=slot.sleep,
    )


def _stripe() -> Gateway:
    return StripeGateway(
        api_key=settings.STRIPE_API_KEY,
        timeout_s=settings.GATEWAY_TIMEOUT_S,
        return_url=settings.PAYMENT_RETURN_URL,
        base_url=settings.STRIPE_API_URL or None,
    )


_MAKERS: Final[Mapping[str, Callable[[], Gateway]]] = {
    "direct": DirectGateway,
    "cash": CashGateway,
    "simulated": _simulated,
    "stripe": _stripe,
}
# Its books are in our own database, so it keeps the caller's slot; `sleep` gives that back while it waits.
_KEEPS_SLOT: Final = frozenset({"simulated"})


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
    made = _MAKERS[name]()
    if made.has_outside_effect:
        made = GuardedGateway(made, _dependency(name), keeps_slot=name in _KEEPS_SLOT)
    return MeteredGateway(name, made)


def stripe_notice(body: bytes, signature: str) -> Notice:
    """What Stripe tells by itself. Raises BadNotice."""
    return stripe_notices.read(body, signature, secrets=settings.STRIPE_WEBHOOK_SECRETS)


def is_refused(name: str) -> bool:
    """Whether no charge may go to a gateway: it takes no real money, and another one that is configured does.

    Unless payments without money are wanted all the same (`TEST_PAYMENTS`).
    """
    return not gateway(name).takes_real_money and not settings.TEST_PAYMENTS and is_for_real()


def is_for_real() -> bool:
    """Whether a gateway is configured that takes real money."""
    if settings.STRIPE_API_KEY:
        return True
    return any(name in _MAKERS and gateway(name).takes_real_money for name in settings.PAYMENT_GATEWAYS.values())


def require_room(name: str) -> None:
    """Raises Overloaded: so many wait for this gateway already that another payment would not be sent."""
    if gateway(name).has_outside_effect and not _dependency(name).has_room():
        raise Overloaded("Too many payments wait for this gateway")


def dependencies() -> Sequence[Dependency]:
    """Each gateway in use that has an outside."""
    used = sorted(set(settings.PAYMENT_GATEWAYS.values()) & names())
    return [_dependency(name) for name in used if gateway(name).has_outside_effect]


@cache
def _dependency(name: str) -> Dependency:
    return Dependency(f"gateway {name}", settings.DOWNSTREAMS.breaker, calls=settings.DOWNSTREAMS.calls)
