"""What Stripe tells by itself: https://docs.stripe.com/webhooks. Signatures are checked by its own library."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import stripe

from payment_service.payments.gateways.base import (
    BadNotice,
    ChargeNotice,
    DisputeNotice,
    Notice,
    RefundFailedNotice,
)
from payment_service.payments.gateways.stripe import decimals_of

# Seconds: how old a signature may be.
TOLERANCE_S: Final = 300
_DISPUTES: Final = "charge.dispute."
_REFUNDS: Final = frozenset({"refund.failed", "refund.updated", "charge.refund.updated"})
_CHARGES: Final = frozenset(
    {"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled", "charge.succeeded"}
)
_WON: Final = frozenset({"won", "warning_closed", "prevented"})


def read(body: bytes, signature: str, *, secrets: Sequence[str]) -> Notice:
    """What a request says, once it is certain that Stripe has sent it, not long ago.

    Args:
        body: As it came.
        signature: The header `Stripe-Signature`.
        secrets: The endpoint's; two while one takes the other's place.

    Raises:
        BadNotice: it is not certain, or cannot be read.
    """
    if not any(_is_signed(body, signature, secret) for secret in secrets):
        raise BadNotice
    try:
        event: Any = json.loads(body, parse_float=Decimal)
        kind, thing = str(event["type"]), event["data"]["object"]
        return Notice(str(event["id"])[:100], kind[:64], _about(kind, thing))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as problem:
        raise BadNotice from problem


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body.decode(), signature, secret, TOLERANCE_S)
    except (stripe.SignatureVerificationError, ValueError):
        return False
    return True


def _about(kind: str, thing: Mapping[str, Any]) -> DisputeNotice | RefundFailedNotice | ChargeNotice | None:
    if kind.startswith(_DISPUTES):
        return _dispute(thing)
    if kind in _REFUNDS and thing.get("status") in ("failed", "canceled"):
        code = str(thing.get("failure_reason") or "refund_failed")[:64]
        return RefundFailedNotice(str(thing["id"]), str((thing.get("metadata") or {}).get("key", "")), code)
    if kind in _CHARGES:
        order_id = (thing.get("metadata") or {}).get("order_id")
        return None if order_id is None else ChargeNotice(str(order_id))
    return None


def _dispute(thing: Mapping[str, Any]) -> DisputeNotice:
    status = str(thing["status"])
    currency = str(thing["currency"]).upper()
    return DisputeNotice(
        reference=str(thing["id"])[:64],
        transaction_id=str(thing.get("charge") or ""),
        payment_intent_id=str(thing.get("payment_intent") or ""),
        amount=Decimal(int(thing["amount"])).scaleb(-decimals_of(currency)),
        reason=str(thing.get("reason") or "")[:64],
        is_won=True if status in _WON else False if status == "lost" else None,
    )
