"""How each operation stands in the OpenAPI document, with an example of every answer."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from order_service.orders import states
from order_service.orders.api.schemas import (
    EVENTS_OUT,
    PROGRESS_OUT,
    CancelledOrderOut,
    OrderListIn,
    OrderListOut,
    OrderOut,
    PlaceOrderIn,
    ShowOrderIn,
)
from servicekit.web.openapi import BAD_KEY, IDEMPOTENCY_KEY, NO_PARAMETERS, REPLAY_PROBLEMS, problem

_PAID: Final[dict[str, Any]] = {
    "id": "c1a2b3d4-e5f6-7890-abcd-ef1234567890",
    "number": 1,
    "customer_name": "Alice",
    "items": [
        {"product_id": 1, "name": "Keyboard", "quantity": 1, "unit_price": 30.00, "line_total": 30.00},
        {"product_id": 2, "name": "Mouse", "quantity": 1, "unit_price": 20.00, "line_total": 20.00},
    ],
    "total_amount": 50.00,
    "currency": "USD",
    "status": "PAID",
    "cancellation_reason": None,
    "created_at": "2025-11-10T12:05:00Z",
    "updated_at": "2025-11-10T12:05:00Z",
    "paid_at": "2025-11-10T12:05:00Z",
    "expires_at": None,
    "payment_status": "COMPLETED",
    "refunded_amount": 0.00,
}
_GIVEN_BACK: Final = {"status": "REFUNDED", "payment_status": "REFUNDED", "refunded_amount": 50.00}
_REFUNDED: Final = {**_PAID, **_GIVEN_BACK}
_UNPAID: Final = {"status": "PENDING", "paid_at": None, "payment_status": None}
_PENDING: Final[dict[str, Any]] = {**_PAID, **_UNPAID, "expires_at": "2025-11-10T12:20:00Z"}
_TO_CONFIRM: Final[dict[str, Any]] = {
    **_PENDING,
    "payment_status": "REQUIRES_ACTION",
    "next_action": {
        "type": "redirect",
        "url": "http://localhost:8002/bank/confirm/w3QzT4yJm1v5c8Xk2Lr7Bn0Hs9Df6Ga_PqUeWi-OtEY/",
        "expires_at": "2025-11-10T12:20:00Z",
    },
}


def _cancelled(reason: str, code: str = "order_cancelled", **more: Any) -> dict[str, Any]:
    failure = {"status": "CANCELLED", "cancellation_reason": reason, "error": reason, "code": code}
    return {**_PAID, **_UNPAID, **failure, **more}


_NOT_FOUND_LINE: Final = {"product_id": 2, "name": None, "quantity": 1, "unit_price": None, "line_total": None}
_UNKNOWN_PRODUCT: Final = _cancelled(
    states.PRODUCT_NOT_FOUND.format(product_id=2), items=[_PAID["items"][0], _NOT_FOUND_LINE], total_amount=30.00
)
_INVALID: Final = {"error": "customer_name: Not a valid string.", "code": "invalid"}
_BAD_ORDERS: Final = [
    OpenApiExample("Missing", value={"error": "customer_name and product_ids required", "code": "missing_fields"}),
    OpenApiExample("Invalid field", value={**_INVALID, "fields": {"customer_name": ["Not a valid string."]}}),
    OpenApiExample("Unknown product", value=_UNKNOWN_PRODUCT),
    OpenApiExample("Out of stock", value=_cancelled(states.PRODUCT_OUT_OF_STOCK.format(product_id=2))),
    OpenApiExample("Not paid", value=_cancelled(states.PAYMENT_FAILED, payment_status="FAILED")),
    OpenApiExample("Stock gone", value={**_cancelled(states.STOCK_NOT_HELD), **_GIVEN_BACK}),
]
# Not a polymorphic serializer: that would be a `oneOf`, and a cancelled order is a valid problem too.
_CANCELLED_OR_PROBLEM: Final = {
    "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("CancelledOrderOut", "Problem")]
}
_NOT_FOUND: Final = {404: problem("No such order.", "Order not found", "order_not_found")}
_REFERENCE: Final = OpenApiParameter(
    "reference", OpenApiTypes.STR, OpenApiParameter.PATH, description="The order's `id` or its `number`."
)


def _order(description: str, example: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(OrderOut, description=description, examples=[OpenApiExample("Order", value=example)])


PLACE_ORDER = extend_schema(
    operation_id="place_order",
    tags=["orders"],
    summary="Place an order",
    description=(
        "Reserves the stock, takes the payment with up to two retries, and ends PAID, or CANCELLED with a reason. "
        "With `payment: later` the stock is held and the order waits for its payment until `expires_at`. So it does "
        "where the payer has to confirm the payment first, at `next_action.url`; then it ends PAID, or CANCELLED."
    ),
    parameters=[IDEMPOTENCY_KEY],
    request=PlaceOrderIn,
    examples=[
        OpenApiExample("Two products", value={"customer_name": "Alice", "product_ids": [1, 2]}, request_only=True),
        OpenApiExample(
            "Pay later",
            value={"customer_name": "Bob", "items": [{"product_id": 1, "quantity": 3}], "payment": "later"},
            request_only=True,
        ),
    ],
    responses={
        201: OpenApiResponse(
            OrderOut,
            description="Paid; or with `payment: later`, or with `next_action`, waiting for its payment.",
            examples=[
                OpenApiExample("Paid", value=_PAID),
                OpenApiExample("Pay later", value=_PENDING),
                OpenApiExample("To be confirmed by its payer", value=_TO_CONFIRM),
            ],
        ),
        202: _order(
            "Not decided yet: a worker has taken the order over. GET tells how it ends. PAID: its stock is gone, and "
            "the money is on its way back.",
            {**_PAID, **_UNPAID},
        ),
        400: OpenApiResponse(
            _CANCELLED_OR_PROBLEM,
            description=(
                "Refused without a trace (invalid input), or stored and CANCELLED, or REFUNDED where the stock was "
                "gone after the payment: then with the whole order."
            ),
            examples=_BAD_ORDERS,
        ),
        503: OpenApiResponse(
            CancelledOrderOut,
            description=(
                "The product service could not be reached, or answered what cannot be used; the order is CANCELLED. "
                "The `Idempotency-Key` is given back: the same request with the same key places a new order."
            ),
            examples=[
                OpenApiExample(
                    "Product service down",
                    value=_cancelled(
                        states.PRODUCT_SERVICE_UNAVAILABLE, "product_service_unavailable", items=[], total_amount=0.00
                    ),
                )
            ],
        ),
        **REPLAY_PROBLEMS,
    },
)
LIST_ORDERS = extend_schema(
    operation_id="list_orders",
    tags=["orders"],
    summary="List orders, newest first",
    parameters=[OrderListIn],
    responses={
        200: OpenApiResponse(
            OrderListOut,
            examples=[OpenApiExample("A page", value={"items": [_PAID], "page": 1, "per_page": 20, "total": 1})],
        ),
        400: problem("A wrong filter.", "page: A valid integer is required.", "invalid"),
    },
)
SHOW_ORDER = extend_schema(
    operation_id="show_order",
    tags=["orders"],
    summary="Show an order with its live payment status",
    description="When the payment service cannot be reached, `payment_status` is the last one known.",
    parameters=[_REFERENCE, ShowOrderIn],
    responses={
        200: _order("The order.", _PAID),
        400: problem("A wrong parameter.", "live: Must be a valid boolean.", "invalid"),
        **_NOT_FOUND,
    },
)
ORDER_EVENTS = extend_schema(
    operation_id="order_events",
    tags=["orders"],
    summary="The order's audit trail, oldest first",
    parameters=[_REFERENCE],
    responses={
        200: OpenApiResponse(
            EVENTS_OUT,
            examples=[
                OpenApiExample(
                    "A trail",
                    value={
                        "items": [
                            {
                                "sequence": 3,
                                "type": "order.paid",
                                "created_at": "2025-11-10T12:05:00Z",
                                "actor": "shop",
                                "data": {"amount": 50.00, "currency": "USD", "attempt": 1},
                            }
                        ]
                    },
                )
            ],
        ),
        400: NO_PARAMETERS,
        **_NOT_FOUND,
    },
)
ORDER_PROGRESS = extend_schema(
    operation_id="order_progress",
    tags=["orders"],
    summary="Where the order's saga stands, what happens next and when, and what must be true of it",
    parameters=[_REFERENCE],
    responses={
        200: OpenApiResponse(
            PROGRESS_OUT,
            examples=[
                OpenApiExample(
                    "Waits for its customer",
                    value={
                        "step": "reserved",
                        "attempt": 0,
                        "retry_count": 0,
                        "pay_later": True,
                        "payment_method": None,
                        "due_at": "2025-11-10T12:20:00Z",
                        "unfinished_since": None,
                        "recheck_at": None,
                        "invariants": [],
                    },
                )
            ],
        ),
        **_NOT_FOUND,
    },
)
CANCEL_ORDER = extend_schema(
    operation_id="cancel_order",
    tags=["orders"],
    summary="Cancel a pending order, refund a paid one",
    description="A pending order's stock is released and its payment voided; a paid one's money and stock go back.",
    parameters=[_REFERENCE, IDEMPOTENCY_KEY],
    request=None,
    responses={
        200: _order("CANCELLED or REFUNDED.", _REFUNDED),
        202: _order(
            "The refund is under way; the order becomes REFUNDED when it is done. With `refund_blocked` the gateway "
            "has refused for good: the order stays PAID until a person has seen to it; cancelled again it is tried "
            "again.",
            {**_PAID, "refund_blocked": "The money could not be given back"},
        ),
        409: problem("Ended already.", "Order is CANCELLED and cannot be cancelled", "order_not_cancellable"),
        422: REPLAY_PROBLEMS[422],
        **BAD_KEY,
        **_NOT_FOUND,
    },
)
LOOK_AGAIN = extend_schema(
    operation_id="look_again",
    tags=["orders"],
    summary="Ask the payment service for this order's payment, and settle the order from its answer",
    description="The request's body is never trusted, so nobody can mark an order paid by calling this.",
    parameters=[_REFERENCE, IDEMPOTENCY_KEY],
    request=None,
    responses={
        200: _order("The order as it is now.", _PAID),
        503: problem("Nothing was changed.", "Payment service unavailable", "payment_service_unavailable"),
        **BAD_KEY,
        **REPLAY_PROBLEMS,
        **_NOT_FOUND,
    },
)
