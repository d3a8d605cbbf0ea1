"""What can be wrong with the settings, said before the first request."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from payment_service.payments.gateways import registry
from payment_service.payments.models import Payment


@register
def gateways_are_known(**_: Any) -> list[Error]:
    """Every method goes to a gateway that exists, and its name fits its column."""
    known = ", ".join(sorted(registry.names()))
    wrong = [
        Error(f"PAYMENT_GATEWAYS sends {method} to {name!r}; the gateways are: {known}", id="payments.E001")
        for method, name in settings.PAYMENT_GATEWAYS.items()
        if name not in registry.names()
    ]
    longest = Payment._meta.get_field("method").max_length or 0
    wrong += [
        Error(f"PAYMENT_GATEWAYS: {method!r} must be upper case, {longest} characters at most", id="payments.E002")
        for method in settings.PAYMENT_GATEWAYS
        if method != method.upper() or not 0 < len(method) <= longest
    ]
    wrong += [
        Error(f"{setting} is not in PAYMENT_GATEWAYS", id="payments.E003")
        for setting in ("DEFAULT_PAYMENT_METHOD", "CARD_PAYMENT_METHOD")
        if getattr(settings, setting) not in settings.PAYMENT_GATEWAYS
    ]
    if "stripe" in settings.PAYMENT_GATEWAYS.values() and not settings.STRIPE_API_KEY:
        wrong.append(Error("PAYMENT_GATEWAYS names stripe, but STRIPE_API_KEY is not set", id="payments.E004"))
    return wrong
