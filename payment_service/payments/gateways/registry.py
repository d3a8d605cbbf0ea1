"""Which gateway serves which payment method. The only module that names a concrete gateway.

Adding one is a file beside this and a line in `_MAKERS`; see docs/gateways.md.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from django.conf import settings

from payment_service.payments.gateways.base import Gateway
from payment_service.payments.gateways.direct import DirectGateway

_MAKERS: Final[Mapping[str, Callable[[], Gateway]]] = {
    "direct": DirectGateway,
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
    return _MAKERS[name]()
