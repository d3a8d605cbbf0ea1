"""System checks: settings that contradict each other stop the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from order_service.orders.clients.payments import VOID_DEADLINE_S
from order_service.orders.clients.products import FOLLOW_UP_DEADLINE_S


@register
def lease_outlives_a_run(**_: Any) -> list[CheckMessage]:
    """A run that outlives its lease would be done twice at once: harmless, but never wanted."""
    longest_s = settings.ORDER_DEADLINE_S + FOLLOW_UP_DEADLINE_S + VOID_DEADLINE_S
    if longest_s < settings.ORDER_LEASE_S:
        return []
    hint = f"A run may take {longest_s} s; set ORDER_LEASE_S higher or ORDER_DEADLINE_S lower."
    return [Error("ORDER_LEASE_S is shorter than the longest run.", hint=hint, id="orders.E001")]


@register
def deadlines_nest(**_: Any) -> list[CheckMessage]:
    """Reserving must leave time for paying."""
    if settings.PRODUCT_DEADLINE_S < settings.ORDER_DEADLINE_S:
        return []
    return [Error("PRODUCT_DEADLINE_S must be shorter than ORDER_DEADLINE_S.", id="orders.E002")]
