"""What can be wrong with the settings, said before the first request."""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import Error, register

from payment_service.payments.gateways import registry
from payment_service.payments.models import Payment

# https://docs.stripe.com/keys: what the keys begin with that move no money.
_STRIPE_TEST_KEYS: Final = ("sk_test_", "rk_test_")


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


@register(checks.Tags.security, deploy=True)
def methods_without_money_are_named(**_: Any) -> list[checks.CheckMessage]:
    """Each method whose payments bring nobody any money: what is accepted is a warning, what is refused is a note."""
    table = {method: name for method, name in sorted(settings.PAYMENT_GATEWAYS.items()) if name in registry.names()}
    idle = {method: name for method, name in table.items() if not registry.gateway(name).takes_real_money}
    is_tested = settings.STRIPE_API_KEY.startswith(_STRIPE_TEST_KEYS)
    tested = {method: name for method, name in table.items() if is_tested and name == "stripe"}
    said: list[checks.CheckMessage] = []
    if idle and not registry.is_for_real():
        said.append(_accepted(idle, "no gateway is configured that takes real money", check_id="payments.W001"))
    elif idle and settings.TEST_PAYMENTS:
        said.append(_accepted(idle, "TEST_PAYMENTS is on", check_id="payments.W002"))
    elif idle:
        said.append(checks.Info(f"Refused, because they take no real money: {_named(idle)}", id="payments.I001"))
    if tested:
        said.append(_accepted(tested, "STRIPE_API_KEY is of Stripe's test mode", check_id="payments.W003"))
    return said


def _accepted(methods: Mapping[str, str], reason: str, *, check_id: str) -> checks.CheckMessage:
    hint = "See the part about real money in docs/gateways.md."
    return checks.Warning(f"Orders can be paid without money by {_named(methods)}: {reason}", hint=hint, id=check_id)


def _named(methods: Mapping[str, str]) -> str:
    return ", ".join(f"{method} ({gateway})" for method, gateway in methods.items())
