"""How `/pay` stands in the OpenAPI document."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from payment_service.payments.api.fields import NEXT_ACTION_OUT, OrderIdField
from payment_service.payments.api.pay.schemas import PayIn
from servicekit.web.openapi import IDEMPOTENCY_KEY, REPLAY_PROBLEMS, problem

_OUT: Final = inline_serializer(
    "PayOut",
    {
        "message": serializers.ChoiceField(["Payment successful", "Payment pending"]),
        "order_id": OrderIdField(),
        "payment_id": serializers.IntegerField(),
        "next_action": NEXT_ACTION_OUT,
    },
)


def _paid(description: str, message: str) -> OpenApiResponse:
    example = OpenApiExample(message, value={"message": message, "order_id": 123, "payment_id": 456})
    return OpenApiResponse(_OUT, description=description, examples=[example])


PAY = extend_schema(
    operation_id="pay",
    tags=["pay"],
    summary="Pay an order",
    description=(
        "Asks the order service what the order costs, charges it once, and tells the order service to look again. "
        "When only that last step fails, the money is taken and the order catches up by itself."
    ),
    parameters=[IDEMPOTENCY_KEY],
    request=PayIn,
    examples=[OpenApiExample("Pay", value={"order_id": 123, "amount": 199.99}, request_only=True)],
    responses={
        200: _paid("Paid.", "Payment successful"),
        202: _paid(
            "The gateway has not answered yet; repeat to find out. With `next_action` the payer has to confirm the "
            "payment at its `url`.",
            "Payment pending",
        ),
        400: problem(
            "Invalid, another amount than the order's, or an order that cannot be paid.",
            "Incorrect payment amount (expected 199.99)",
            "incorrect_payment_amount",
            expected=199.99,
        ),
        402: problem(
            "Declined; `retryable` says whether another try may fare better.",
            "Insufficient funds",
            "insufficient_funds",
            retryable=True,
            order_id=123,
            payment_id=456,
        ),
        404: problem("No such order.", "Order not found", "order_not_found"),
        409: problem(
            "The order's payment is over another amount, or less of it was captured; it is only set aside "
            "(`payment_not_captured`), was refunded, in part or in full (`payment_refunded`), or voided; or the key "
            "is in use.",
            "The payment of this order was voided",
            "payment_voided",
        ),
        422: REPLAY_PROBLEMS[422],
        503: problem("Nothing was charged.", "Order service unavailable", "order_service_unavailable"),
    },
)
