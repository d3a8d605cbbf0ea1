"""How `/api/payments` stands in the OpenAPI document, with an example of every answer."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.fields import NEXT_ACTION, NEXT_ACTION_OUT, OrderIdField
from payment_service.payments.api.payments.schemas import PaymentIn, VoidIn
from servicekit.web.fields import MoneyOutField
from servicekit.web.openapi import BAD_KEY, IDEMPOTENCY_KEY, REPLAY_PROBLEMS, problem

AMOUNT: Final = "What was taken, once anything was; until then what is asked for. The same number at every door."
AUTHORIZED_AMOUNT: Final = "What the gateway agreed to, whatever was taken of it later."
ORDER_ID: Final[dict[str, Any]] = {"order_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890"}
_TAKEN: Final[dict[str, Any]] = {
    "id": "f9a1b2c3-d4e5-6789-abcd-ef0123456789",
    **ORDER_ID,
    "amount": 50.00,
    "status": "COMPLETED",
    "timestamp": "2025-11-10T12:05:00Z",
}
_FAILED: Final[dict[str, Any]] = {
    **_TAKEN,
    "status": "FAILED",
    "failure_code": "insufficient_funds",
    "retryable": True,
}
_PENDING: Final[dict[str, Any]] = {**_TAKEN, "status": "PENDING"}
_TO_CONFIRM: Final[dict[str, Any]] = {**_TAKEN, "status": "REQUIRES_ACTION", "next_action": NEXT_ACTION}
_VOIDED: Final[dict[str, Any]] = {**_TAKEN, "amount": 0.00, "status": "VOIDED"}
_REFUNDED: Final[dict[str, Any]] = {**_TAKEN, "status": "REFUNDED", "refunded_amount": 50.00}

_PAYMENT_OUT: Final = inline_serializer(
    "PaymentOut",
    {
        "id": serializers.UUIDField(),
        "order_id": OrderIdField(),
        "amount": MoneyOutField(help_text=AMOUNT),
        "status": serializers.ChoiceField(sorted(set(states.PAYMENTS_NAMES.values()))),
        "timestamp": serializers.DateTimeField(),
        "currency": serializers.CharField(required=False, help_text="Only where it is not the default one."),
        "refunded_amount": MoneyOutField(required=False, help_text="Only where any of it went back."),
        "refund_blocked": serializers.CharField(
            required=False,
            help_text="Why the gateway refuses for good to give back what is held, or to release it.",
        ),
        "next_action": NEXT_ACTION_OUT,
        "failure_code": serializers.CharField(required=False, help_text="Of a FAILED payment only."),
        "retryable": serializers.BooleanField(required=False, help_text="Of a FAILED payment only."),
    },
)
_PATH: Final = OpenApiParameter(
    "order_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The order's UUID or number."
)


def _payment(description: str, **examples: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(
        _PAYMENT_OUT,
        description=description,
        examples=[OpenApiExample(name.replace("_", " ").capitalize(), value=value) for name, value in examples.items()],
    )


NOT_FOUND: Final = problem("No such payment.", "Payment not found", "payment_not_found")

CREATE_PAYMENT = extend_schema(
    operation_id="create_payment",
    tags=["payments"],
    summary="Charge an order, once",
    description=(
        "A repeat for the same order and amount answers with the payment that is there. "
        "A FAILED payment is tried again. PENDING means that the answer is not known yet: ask again. "
        "REQUIRES_ACTION means that the payer has to confirm it at `next_action.url`."
    ),
    parameters=[IDEMPOTENCY_KEY],
    request=PaymentIn,
    examples=[OpenApiExample("Charge", value={**ORDER_ID, "amount": 50.00}, request_only=True)],
    responses={
        201: _payment(
            "The order's first charge.",
            taken=_TAKEN,
            declined=_FAILED,
            not_known_yet=_PENDING,
            to_be_confirmed=_TO_CONFIRM,
        ),
        200: _payment("The order has a payment already.", taken=_TAKEN, declined=_FAILED, not_known_yet=_PENDING),
        400: problem(
            "Refused; over an amount that is not positive a FAILED payment is kept.",
            "order_id and amount required",
            "order_and_amount_required",
        ),
        409: problem(
            "The order's payment is over another amount, or was voided; or the key is in use.",
            "The payment of this order is over 50.00 USD",
            "payment_amount_mismatch",
            amount=50.00,
            currency="USD",
        ),
        422: REPLAY_PROBLEMS[422],
    },
)
READ_PAYMENT = extend_schema(
    operation_id="read_payment",
    tags=["payments"],
    summary="The payment of an order",
    parameters=[_PATH],
    responses={200: _payment("The payment.", taken=_TAKEN, declined=_FAILED), 404: NOT_FOUND},
)
VOID_PAYMENT = extend_schema(
    operation_id="void_payment",
    tags=["payments"],
    summary="Hold no money for this order",
    description=(
        "What is set aside is released, what was taken is refunded, and every later charge is refused. "
        "An order without a payment gets a tombstone over 0.00. Safe to repeat."
    ),
    parameters=[_PATH, IDEMPOTENCY_KEY],
    request=VoidIn,
    responses={
        200: _payment("Nothing is held.", nothing_was_there=_VOIDED, given_back=_REFUNDED),
        202: _payment(
            "Remembered; carried out as soon as the gateway answers. With `refund_blocked` it has refused for good: a "
            "person has to see to it, or the void asked for again has it tried once more.",
            not_known_yet=_PENDING,
            refused_for_good={**_TAKEN, "refund_blocked": "The money could not be given back"},
        ),
        404: NOT_FOUND,
        **BAD_KEY,
        **REPLAY_PROBLEMS,
    },
)
