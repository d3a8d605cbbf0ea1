"""`/api/payments`: what the order service uses, and whoever else just wants an order paid."""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from payment_service.payments import selectors, states
from payment_service.payments.api import docs
from payment_service.payments.api.fields import (
    MethodDetailsIn,
    MethodField,
    OrderIdField,
    order_id_in_path,
    order_id_on_wire,
)
from payment_service.payments.errors import PaymentNotFound
from payment_service.payments.models import Payment
from payment_service.payments.processing import charging, repair
from payment_service.payments.services.attempts import Asked
from payment_service.payments.states import Status
from servicekit import exactjson, money
from servicekit.idempotency.keys import creation_id, idempotent, idempotent_at_once
from servicekit.rest import CurrencyField, MoneyInField

_REQUIRED: Final = "order_id and amount required"


class PaymentIn(serializers.Serializer[Any]):
    """A charge as this door takes it."""

    order_id = OrderIdField()
    amount = MoneyInField()
    method = MethodField(required=False, max_length=16)
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
        if not money.fits(attrs["amount"], attrs["currency"]):
            raise serializers.ValidationError({"amount": f"{attrs['currency']} has no decimals."})
        return attrs

    @classmethod
    def read(cls, request: Request) -> Asked:
        """The charge that a request asks for.

        Raises:
            ValidationError: naming the field.
        """
        body = cls(data=request.data)
        body.is_valid(raise_exception=True)
        asked: dict[str, Any] = body.validated_data
        return Asked(
            uid=creation_id(request),
            order_id=asked["order_id"],
            amount=asked["amount"],
            currency=asked["currency"],
            method=asked.get("method", settings.DEFAULT_PAYMENT_METHOD),
            token=(asked.get("payment_method_details") or {}).get("token", ""),
        )


def payment_body(payment: Payment) -> dict[str, Any]:
    """A payment as this door shows it."""
    body = {
        "id": payment.uid,
        "order_id": order_id_on_wire(payment.order_id),
        "amount": money.two_decimals(payment.amount),
        "status": states.PAYMENTS_NAMES[Status(payment.status)],
        "timestamp": exactjson.utc_text(payment.created_at),
    }
    if payment.status == Status.FAILED:
        body["failure_code"] = payment.failure_code
        body["retryable"] = bool(payment.retryable)
    return body


def charge_at_once(request: Request) -> Response | None:
    """The short way of most charges: one transaction in all."""
    payment = charging.charge_at_once(PaymentIn.read(request))
    return None if payment is None else Response(payment_body(payment), status=201)


@extend_schema_view(post=docs.CREATE_PAYMENT)
class PaymentsView(APIView):
    """Charges."""

    @idempotent_at_once(charge_at_once)
    def post(self, request: Request) -> Response:
        charged = charging.charge_payment(PaymentIn.read(request))
        return Response(payment_body(charged.payment), status=201 if charged.is_new else 200)


@extend_schema_view(get=docs.READ_PAYMENT)
class PaymentView(APIView):
    """One order's payment."""

    def get(self, _request: Request, order_id: str) -> Response:
        return Response(payment_body(repair.look_at(selectors.payment_of_order(_known_form(order_id)))))


@extend_schema_view(post=docs.VOID_PAYMENT)
class VoidView(APIView):
    """Holding no money for an order."""

    @idempotent
    def post(self, _request: Request, order_id: str) -> Response:
        voided = repair.void_payment(_known_form(order_id))
        return Response(payment_body(voided.payment), status=200 if voided.is_done else 202)


def _known_form(order_id: str) -> str:
    canonical = order_id_in_path(order_id)
    if canonical is None:
        raise PaymentNotFound
    return canonical
