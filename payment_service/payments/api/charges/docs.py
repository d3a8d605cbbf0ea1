"""How `/v1/payments` stands in the OpenAPI document."""

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.charges.schemas import ChargeIn, ChargeRefundIn, ListIn
from payment_service.payments.api.fields import NEXT_ACTION_OUT, OrderIdField
from payment_service.payments.api.payments.docs import AMOUNT, AUTHORIZED_AMOUNT, NOT_FOUND
from servicekit.web.fields import MoneyOutField
from servicekit.web.openapi import IDEMPOTENCY_KEY, REPLAY_PROBLEMS, problem
from servicekit.web.paging import PageOut

_STATUS: Final = serializers.ChoiceField(sorted(set(states.CHARGES_NAMES.values())))
_CHARGE_OUT: Final = inline_serializer(
    "ChargeOut",
    {
        "payment_id": serializers.IntegerField(),
        "reference": serializers.CharField(),
        "status": _STATUS,
        "message": serializers.ChoiceField(["Payment succeeded", "Payment failed", "Payment pending"]),
        "next_action": NEXT_ACTION_OUT,
    },
)
_REFUND_OUT: Final = inline_serializer(
    "ChargeRefundOut",
    {
        "payment_id": serializers.IntegerField(),
        "amount": MoneyOutField(),
        "method": serializers.CharField(),
        "message": serializers.CharField(),
    },
)
_ITEM: Final = inline_serializer(
    "ListedPayment",
    {
        "payment_id": serializers.IntegerField(),
        "order_id": OrderIdField(),
        "amount": MoneyOutField(help_text=AMOUNT),
        "authorized_amount": MoneyOutField(help_text=AUTHORIZED_AMOUNT),
        "refunded_amount": MoneyOutField(),
        "currency": serializers.CharField(),
        "method": serializers.CharField(),
        "status": serializers.ChoiceField(sorted(set(states.CHARGES_NAMES.values()))),
        "reference": serializers.CharField(),
        "created_at": serializers.DateTimeField(),
        "refunded": serializers.BooleanField(),
    },
    many=True,
)
_PAGE: Final = inline_serializer("PaymentPage", {"items": _ITEM, **PageOut().get_fields()})
_NUMBER: Final = OpenApiParameter("number", OpenApiTypes.STR, OpenApiParameter.PATH, description="The `payment_id`.")
_CHARGED: Final = {
    "payment_id": 123,
    "reference": "ECI20251110-5F0C7A0E",
    "status": "SUCCESS",
    "message": "Payment succeeded",
}
_REFUNDED: Final = {
    "payment_id": 123,
    "amount": 561.00,
    "method": "CARD",
    "message": "Amount 561.00 refunded to CARD",
}
_LISTED: Final = {
    "payment_id": 123,
    "order_id": 342,
    "amount": 561.00,
    "authorized_amount": 561.00,
    "refunded_amount": 0.00,
    "currency": "USD",
    "method": "CARD",
    "status": "SUCCESS",
    "reference": "ECI20251110-5F0C7A0E",
    "created_at": "2025-11-10T12:05:00Z",
    "refunded": False,
}


def _charged(description: str) -> OpenApiResponse:
    failed = {**_CHARGED, "status": "FAILED", "message": "Payment failed"}
    examples = [OpenApiExample("Succeeded", value=_CHARGED), OpenApiExample("Failed", value=failed)]
    return OpenApiResponse(_CHARGE_OUT, description=description, examples=examples)


def _refunded(description: str, message: str) -> OpenApiResponse:
    example = OpenApiExample("Refund", value={**_REFUNDED, "message": message})
    return OpenApiResponse(_REFUND_OUT, description=description, examples=[example])


CHARGE = extend_schema(
    operation_id="charge",
    tags=["charges"],
    summary="Charge an order",
    description="A repeat answers with the payment that is there; a FAILED one is tried again.",
    parameters=[IDEMPOTENCY_KEY],
    request=ChargeIn,
    examples=[OpenApiExample("Charge", value={"order_id": 342, "amount": 561.00}, request_only=True)],
    responses={
        201: _charged("The order's first charge."),
        200: _charged("The order has a payment already."),
        400: problem("Refused.", "Amount must be positive.", "amount_not_positive"),
        409: problem(
            "The order's payment is over another amount, or was voided; or the key is in use.",
            "The payment of this order is over 561.00 USD",
            "payment_amount_mismatch",
            amount=561.00,
            currency="USD",
        ),
        422: REPLAY_PROBLEMS[422],
    },
)
REFUND = extend_schema(
    operation_id="refund_charge",
    tags=["charges"],
    summary="Give a payment back, or a part of it",
    description=(
        "Without an amount all that is left. Safe to repeat: the answer is the same again, and nothing more goes back. "
        "The same part once more is another refund only under an `Idempotency-Key` of its own."
    ),
    parameters=[_NUMBER, IDEMPOTENCY_KEY],
    request=ChargeRefundIn,
    examples=[OpenApiExample("A part", value={"amount": 3.00}, request_only=True)],
    responses={
        200: _refunded("It is back.", "Amount 561.00 refunded to CARD"),
        202: _refunded("The gateway has not answered yet.", "Amount 561.00 is being refunded to CARD"),
        400: problem(
            "It took nothing; or more than is left of it.",
            "Payment had failed; cannot issue refund",
            "payment_had_failed",
        ),
        402: problem("The gateway refused.", "The money could not be given back", "refund_failed", payment_id=123),
        404: NOT_FOUND,
        409: problem(
            "Nothing was captured, or the key is in use; or the same part, asked for at another door, is pending "
            "(`refund_pending`).",
            "Payment is AUTHORIZED, only a captured one can be refunded",
            "payment_not_refundable",
            status="AUTHORIZED",
        ),
        422: REPLAY_PROBLEMS[422],
    },
)
LIST = extend_schema(
    operation_id="list_payments",
    tags=["charges"],
    summary="List payments",
    description="All filters can be combined. A wrong or unknown parameter is refused, never ignored.",
    parameters=[ListIn],
    responses={
        200: OpenApiResponse(
            _PAGE, examples=[OpenApiExample("Page", value={"items": [_LISTED], "page": 1, "per_page": 10, "total": 1})]
        ),
        400: problem("A wrong filter.", "per_page: Ensure this value is less than or equal to 200.", "invalid"),
    },
)
