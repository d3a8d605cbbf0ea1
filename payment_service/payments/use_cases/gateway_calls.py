"""What a payment's gateway was asked for, as its events and its row say, with the keys that a bank knows it by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from payment_service.payments.models import Payment
from payment_service.payments.states import EVENTS, UNDECIDED, Operation, Status
from payment_service.payments.use_cases.capturing import capture_key, void_key
from payment_service.payments.use_cases.charging import charge_key


@dataclass(frozen=True)
class GatewayCall:
    """`attempt` is the payment's at that call; it is a part of the key."""

    operation: str
    key: str
    attempt: int


def made(payment: Payment, trail: Sequence[Mapping[str, Any]]) -> list[GatewayCall]:
    """The charges, captures and voids, oldest first, the one that is under way last. Refunds have rows of their own."""
    if payment.taken and payment.transaction_id is None:
        return []  # imported: each gateway here gives a charge an id
    calls: dict[str, GatewayCall] = {}
    is_held = False
    for event in trail:
        kind, attempt = event["type"], int(event["data"].get("attempt", 1))
        operation = _operation(kind, is_held=is_held)
        is_held = is_held or kind == EVENTS[Status.AUTHORIZED]
        if operation is not None:
            call = _call(payment.order_id, operation, attempt)
            calls[call.key] = call
    running = _running(payment)
    if running is not None:
        call = _call(payment.order_id, running, payment.attempt)
        calls[call.key] = call
    return list(calls.values())


def _operation(kind: str, *, is_held: bool) -> str | None:
    """What an event is the answer to; None: to nothing that was asked of a gateway, or to a refund."""
    if kind in (EVENTS[Status.REQUIRES_ACTION], EVENTS[Status.AUTHORIZED], EVENTS[Status.FAILED]):
        return "charge"
    if kind == EVENTS[Status.CAPTURED]:
        return "capture" if is_held else "charge"
    return "void" if kind == EVENTS[Status.VOIDED] and is_held else None


def _running(payment: Payment) -> str | None:
    if payment.status in UNDECIDED:
        return "charge"
    if payment.capture_asked is not None:
        return "capture"
    is_to_be_released = payment.status == Status.AUTHORIZED and payment.void_requested
    return "void" if is_to_be_released or payment.blocked == Operation.VOID else None


def _call(order_id: str, operation: str, attempt: int) -> GatewayCall:
    keys = {"charge": charge_key, "capture": capture_key, "void": void_key}
    return GatewayCall(operation, keys[operation](order_id, attempt=attempt), attempt)
