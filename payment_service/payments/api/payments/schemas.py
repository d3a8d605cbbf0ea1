"""What `/api/payments` takes and shows."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.fields import (
    SAME_AS_METHOD,
    ChargeAtOnceIn,
    MethodDetailsIn,
    MethodField,
    OrderIdField,
    charge_in,
    method_in,
    next_action,
    order_id_on_wire,
    refuse_fractions,
)
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.writes.attempts import Asked
from servicekit import exactjson, money
from servicekit.web.fields import CurrencyField, MoneyInField, OptionalBodyIn, parsed

_REQUIRED: Final = "order_id and amount required"


class PaymentIn(ChargeAtOnceIn):
    """A charge as this door takes it."""

    order_id = OrderIdField()
    amount = MoneyInField()
    method = MethodField(required=False, max_length=16)
    payment_method = MethodField(required=False, max_length=16, help_text=SAME_AS_METHOD)
    currency = CurrencyField(required=False)
    payment_method_details = MethodDetailsIn(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (data.get("order_id") in (None, "") or data.get("amount") is None):
            raise serializers.ValidationError(
                {"non_field_errors": [serializers.ErrorDetail(_REQUIRED, code="order_and_amount_required")]}
            )
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("currency", settings.DEFAULT_CURRENCY)
        return refuse_fractions(attrs)

    @classmethod
    def read(cls, data: Any, *, uid: UUID) -> Asked:
        """The charge that a body asks for; `uid` becomes the payment's id.

        Raises:
            ValidationError: naming the field.
        """
        asked = parsed(cls, data)
        return charge_in(asked, uid=uid, method=method_in(asked, default=settings.DEFAULT_PAYMENT_METHOD))


class VoidIn(OptionalBodyIn):
    """What is to be voided is in the path."""

    amount = MoneyInField(required=False, help_text="Nothing but all that is held.")


def payment_body(payment: Payment) -> dict[str, Any]:
    """A payment as this door shows it.

    `currency` only stands there when it is not the default one, which is all that this door's first clients know.
    `refunded_amount`, and `refund_blocked`, why the gateway refuses for good to give money back, only where there is
    any.
    """
    body = {
        "id": payment.uid,
        "order_id": order_id_on_wire(payment.order_id),
        "amount": money.two_decimals(payment.amount_shown),
        "status": states.PAYMENTS_NAMES[Status(payment.status)],
        "timestamp": exactjson.utc_text(payment.created_at),
    }
    if payment.currency != settings.DEFAULT_CURRENCY:
        body["currency"] = payment.currency
    if payment.refunded:
        body["refunded_amount"] = money.two_decimals(payment.refunded)
    if payment.keeps_money:
        body["refund_blocked"] = payment.blocked_reason
    body |= next_action(payment)
    if payment.status == Status.FAILED:
        body["failure_code"] = payment.failure_code
        body["retryable"] = bool(payment.retryable)
    return body
