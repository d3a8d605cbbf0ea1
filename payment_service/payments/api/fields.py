"""Fields of the payment service's bodies."""

import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from payment_service.payments.errors import PaymentNotFound
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.writes.attempts import Asked
from servicekit import exactjson, money
from servicekit.texts import is_uuid
from servicekit.web.fields import MAX_ID, BodyIn, FreeTextField, StrictCharField, ascii_upper

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
# What any gateway's token needs; Stripe's are below 100.
MAX_TOKEN_LENGTH: Final = 255
SAME_AS_METHOD: Final = "Another name of `method`; where both are given they must not differ."


def order_id_in_path(text: str) -> str | None:
    """The canonical order id that a path or a query names, None when it can be no order's."""
    if is_uuid(text):
        return text.lower()
    return text if _NUMBER.fullmatch(text) and int(text) <= MAX_ID else None


def order_in_path(text: str) -> str:
    """The canonical order id that a path names.

    Raises:
        PaymentNotFound: it can be no order's.
    """
    order_id = order_id_in_path(text)
    if order_id is None:
        raise PaymentNotFound
    return order_id


def number_in_path(text: str) -> int:
    """The payment number that a path names.

    Raises:
        PaymentNotFound: it can be no payment's.
    """
    if not _NUMBER.fullmatch(text) or int(text) > MAX_ID:
        raise PaymentNotFound
    return int(text)


def uid_in_path(text: str) -> uuid.UUID | None:
    """The UUID that a path names, None when it is none."""
    return uuid.UUID(text) if is_uuid(text) else None


def order_id_on_wire(order_id: str) -> int | str:
    """A canonical order id in the type in which clients give it: a whole number, or a UUID's text."""
    return int(order_id) if order_id.isdigit() else order_id


@extend_schema_field(
    {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "integer", "minimum": 1, "maximum": MAX_ID}]}
)
class OrderIdField(serializers.Field[str, Any, Any, Any]):
    """An order's id, UUID or positive whole number, as canonical text."""

    default_error_messages = {"invalid": "Must be a UUID or a positive integer."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and is_uuid(data):
            return str(uuid.UUID(data))
        if not isinstance(data, int) or isinstance(data, bool) or not 0 < data <= MAX_ID:
            self.fail("invalid")
        return str(data)

    def to_representation(self, value: str) -> int | str:
        return order_id_on_wire(value)


class MethodField(StrictCharField):
    """A payment method of the `PAYMENT_GATEWAYS` setting, or one of `methods`, in capitals or not (ASCII only)."""

    default_error_messages = {"unknown": "Unknown payment method."}

    def __init__(self, *, methods: Collection[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.methods = methods

    def to_internal_value(self, data: Any) -> str:
        method = ascii_upper(super().to_internal_value(data))
        if method not in settings.PAYMENT_GATEWAYS or (self.methods is not None and method not in self.methods):
            self.fail("unknown")
        return method


def token_in(asked: dict[str, Any]) -> str:
    """The payment token of a validated body."""
    details: dict[str, str] = asked.get("payment_method_details") or {}
    return details.get("token", "")


def method_in(asked: dict[str, Any], *, default: str) -> str:
    """The payment method of a validated body, which may name it as `method` or as `payment_method`.

    A token without a method is a card's: where it was left to a method that looks at no token, a card that is to be
    declined would pay.

    Raises:
        ValidationError: both names are given, and they differ.
    """
    method: str | None = asked.get("method")
    same: str | None = asked.get("payment_method")
    if method and same and method != same:
        raise serializers.ValidationError({"payment_method": "Is the same field as method, and they differ."})
    return method or same or (settings.CARD_PAYMENT_METHOD if token_in(asked) else default)


def charge_in(
    asked: dict[str, Any], *, uid: uuid.UUID, method: str, capture: bool = True, notify_order: bool = False
) -> Asked:
    """The charge that a validated body asks for; `uid` becomes the payment's id."""
    return Asked(
        uid=uid,
        order_id=asked["order_id"],
        amount=asked["amount"],
        currency=asked["currency"],
        method=method,
        token=token_in(asked),
        capture=capture,
        notify_order=notify_order,
    )


def refuse_fractions(asked: dict[str, Any]) -> dict[str, Any]:
    """Let a validated body pass whose amount its currency has coins for; there is no half yen."""
    money.check(asked["amount"], asked["currency"])
    return asked


# As a field of an answer's document.
NEXT_ACTION_OUT: Final = inline_serializer(
    "NextAction",
    {
        "type": serializers.ChoiceField(["redirect"]),
        "url": serializers.CharField(help_text="Where the payer confirms the payment, in a browser."),
        "expires_at": serializers.DateTimeField(help_text="When it is called off, and nothing is taken."),
    },
    required=False,
    help_text="What the payer has to do; only of a payment that waits for it.",
)
NEXT_ACTION: Final = {
    "type": "redirect",
    "url": "http://localhost:8002/bank/confirm/w3QzT4yJm1v5c8Xk2Lr7Bn0Hs9Df6Ga_PqUeWi-OtEY/",
    "expires_at": "2025-11-10T12:20:00Z",
}


def next_action(payment: Payment) -> dict[str, Any]:
    """What the payer has to do, as every door shows it: only of a payment that waits for it."""
    if payment.status != Status.REQUIRES_ACTION:
        return {}
    expires_at = exactjson.utc_text(payment.action_expires_at)
    return {"next_action": {"type": "redirect", "url": payment.action_url, "expires_at": expires_at}}


class ChargeAtOnceIn(BodyIn):
    # A charge at a door that only takes money at once: told to set it aside, it would do more than it was asked for.

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("capture", True) is not True:
            raise serializers.ValidationError({"capture": ["Only /api/v1/payments/process sets money aside."]})
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false` only: no `1`, no `"yes"`."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MethodDetailsIn(BodyIn):
    """What the gateway needs to know of the payer; anything but the token is ignored and never kept."""

    token = FreeTextField(max_length=MAX_TOKEN_LENGTH, required=False, allow_blank=True, default="")
