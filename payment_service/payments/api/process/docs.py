"""How `/api/v1/payments` stands in the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.fields import NEXT_ACTION, NEXT_ACTION_OUT, OrderIdField
from payment_service.payments.api.payments.docs import AMOUNT, AUTHORIZED_AMOUNT, NOT_FOUND
from payment_service.payments.api.process.schemas import (
    PENDING,
    TO_CONFIRM,
    CaptureIn,
    ProcessIn,
    RefundIn,
    TransactionVoidIn,
)
from servicekit.operations.checks import VERDICTS
from servicekit.web.fields import MoneyOutField
from servicekit.web.openapi import BAD_KEY, IDEMPOTENCY_KEY, NO_PARAMETERS, PROBLEM, REPLAY_PROBLEMS, problem

Handler = TypeVar("Handler", bound=Callable[..., Any])


_STATUSES: Final = sorted(set(states.PROCESS_NAMES.values()))
_REFUND_STATUSES: Final = sorted(status.value.lower() for status in states.RefundStatus)
_STEP_OUT: Final = inline_serializer(
    "StepOut",
    {
        "success": serializers.BooleanField(),
        "transaction_id": serializers.CharField(allow_null=True),
        "payment_intent_id": serializers.CharField(allow_null=True),
        "status": serializers.ChoiceField(_STATUSES),
        "error": serializers.CharField(allow_null=True),
        "next_action": NEXT_ACTION_OUT,
    },
)
_REFUND_OUT: Final = inline_serializer(
    "RefundOut",
    {
        "success": serializers.BooleanField(),
        "refund_id": serializers.UUIDField(),
        "amount": MoneyOutField(),
        "status": serializers.ChoiceField(_REFUND_STATUSES),
        "error": serializers.CharField(allow_null=True),
    },
)
_REFUND_RECORD: Final = inline_serializer(
    "RefundRecord",
    {
        "id": serializers.UUIDField(),
        "amount": MoneyOutField(),
        "reason": serializers.CharField(allow_null=True),
        "status": serializers.ChoiceField(_REFUND_STATUSES),
        "attempts": serializers.IntegerField(help_text="How often the gateway was asked under a key of its own."),
        "error": serializers.CharField(allow_null=True),
        "created_at": serializers.DateTimeField(),
    },
    many=True,
)
_BLOCKED: Final = inline_serializer(
    "Blocked",
    {
        "operation": serializers.ChoiceField([operation.value for operation in states.Operation]),
        "reason": serializers.CharField(),
        "since": serializers.DateTimeField(),
    },
    allow_null=True,
    help_text="What the gateway refuses for good, and a person has to see to.",
)
_RECORD: Final = inline_serializer(
    "PaymentRecord",
    {
        "id": serializers.UUIDField(),
        "order_id": OrderIdField(),
        "amount": MoneyOutField(help_text=AMOUNT),
        "authorized_amount": MoneyOutField(help_text=AUTHORIZED_AMOUNT),
        "refunded_amount": MoneyOutField(),
        "currency": serializers.CharField(),
        "payment_method": serializers.CharField(),
        "status": serializers.ChoiceField(_STATUSES),
        "transaction_id": serializers.CharField(allow_null=True),
        "payment_intent_id": serializers.CharField(allow_null=True),
        "provider_response": serializers.DictField(child=serializers.CharField(), allow_null=True),
        "error_message": serializers.CharField(allow_null=True),
        "created_at": serializers.DateTimeField(),
        "updated_at": serializers.DateTimeField(),
        "authorized_at": serializers.DateTimeField(allow_null=True),
        "captured_at": serializers.DateTimeField(allow_null=True),
        "refunded_at": serializers.DateTimeField(allow_null=True),
        "blocked": _BLOCKED,
        "next_action": NEXT_ACTION_OUT,
        "refunds": _REFUND_RECORD,
    },
)
_CALL: Final = inline_serializer(
    "GatewayCall",
    {
        "operation": serializers.ChoiceField(["charge", "capture", "void", "refund"]),
        "key": serializers.CharField(help_text="The gateway's idempotency key of it."),
        "attempt": serializers.IntegerField(),
        "refund_id": serializers.UUIDField(allow_null=True),
        "due_at": serializers.DateTimeField(allow_null=True, help_text="When it is asked again."),
    },
    many=True,
)
_PROGRESS: Final = inline_serializer(
    "PaymentProgress",
    {
        "payment_id": serializers.IntegerField(),
        "reference": serializers.CharField(),
        "gateway": serializers.CharField(),
        "attempt": serializers.IntegerField(),
        "retry_count": serializers.IntegerField(help_text="How often the work that is due failed in a row."),
        "failure_code": serializers.CharField(allow_null=True),
        "void_requested": serializers.BooleanField(help_text="No money may be held for this order."),
        "settled_reason": serializers.CharField(allow_null=True, help_text="How a person has settled it by hand."),
        "due_at": serializers.DateTimeField(allow_null=True, help_text="When a worker takes it up. Null: never."),
        "order_told_at": serializers.DateTimeField(
            allow_null=True, help_text="When the order service is told next. Null: nothing is to be told."
        ),
        "calls": _CALL,
        "invariants": VERDICTS,
    },
)
_TRAIL_EVENT: Final = inline_serializer(
    "PaymentEvent",
    {
        "sequence": serializers.IntegerField(help_text="Rises with each event; may skip numbers."),
        "type": serializers.CharField(),
        "created_at": serializers.DateTimeField(),
        "actor": serializers.CharField(allow_null=True, help_text="Who caused it, as in an order's events."),
        "data": serializers.DictField(),
    },
    many=True,
)
_TRAIL: Final = inline_serializer("PaymentTrail", {"items": _TRAIL_EVENT})
_BLOCKED_ROW: Final = inline_serializer(
    "BlockedPayment",
    {
        "id": serializers.UUIDField(),
        "payment_id": serializers.IntegerField(),
        "order_id": OrderIdField(),
        "reference": serializers.CharField(),
        "amount": MoneyOutField(help_text="What is held."),
        "currency": serializers.CharField(),
        "blocked": _BLOCKED,
    },
    many=True,
)
_BLOCKED_LIST: Final = inline_serializer(
    "BlockedPaymentList",
    {"items": _BLOCKED_ROW, "total": serializers.IntegerField(help_text="All of them; the list has the oldest 200.")},
)
_IDS: Final = {"transaction_id": "txn_5f0c7a0e5d0f4c369c0b6f2c", "payment_intent_id": "pi_35a1f1d75f0c7a0e5d0f4c36"}
_CAPTURED: Final[dict[str, Any]] = {"success": True, **_IDS, "status": "captured", "error": None}
_DECLINED: Final[dict[str, Any]] = {
    "success": False,
    "transaction_id": None,
    "payment_intent_id": None,
    "status": "failed",
    "error": "Insufficient funds",
}
_REFUND: Final = {
    "success": True,
    "refund_id": "0b9f3c56-7a1d-4b8e-9a55-2f6f4a1c7d01",
    "amount": 20.00,
    "status": "succeeded",
    "error": None,
}
_REFUND_PENDING: Final = {**_REFUND, "status": "pending"}
_REFUND_REFUSED: Final = {
    **_REFUND,
    "success": False,
    "status": "failed",
    "error": "The money could not be given back",
}
_NOT_YET: Final = {"success": False, "error": PENDING}
_NOT_KNOWN: Final = "Asked, and the gateway has not answered yet: neither done nor refused. It is found out; ask again."
_EXAMPLE_RECORD: Final[dict[str, Any]] = {
    "id": "f9a1b2c3-d4e5-6789-abcd-ef0123456789",
    "order_id": 342,
    "amount": 50.00,
    "authorized_amount": 50.00,
    "refunded_amount": 0.00,
    "currency": "USD",
    "payment_method": "credit_card",
    "status": "captured",
    **_IDS,
    "provider_response": {"gateway": "simulated", "result": "approved", **_IDS},
    "error_message": None,
    "created_at": "2025-11-10T12:05:00Z",
    "updated_at": "2025-11-10T12:05:00Z",
    "authorized_at": None,
    "captured_at": "2025-11-10T12:05:00Z",
    "refunded_at": None,
    "blocked": None,
    "refunds": [],
}


def _step(description: str, **examples: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(
        _STEP_OUT,
        description=description,
        examples=[OpenApiExample(name.capitalize(), value=value) for name, value in examples.items()],
    )


def _refunded(description: str, **examples: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(
        _REFUND_OUT,
        description=description,
        examples=[OpenApiExample(name.capitalize(), value=value) for name, value in examples.items()],
    )


def _by_transaction(
    operation_id: str, summary: str, request: Any, example: dict[str, Any], **responses: Any
) -> Callable[[Handler], Handler]:
    return extend_schema(
        operation_id=operation_id,
        tags=["process"],
        summary=summary,
        parameters=[IDEMPOTENCY_KEY],
        request=request,
        examples=[
            OpenApiExample("Example", value={"transaction_id": _IDS["transaction_id"], **example}, request_only=True)
        ],
        responses={
            200: responses["done"],
            202: responses["pending"],
            400: responses["invalid"],
            404: NOT_FOUND,
            409: responses["conflict"],
            422: REPLAY_PROBLEMS[422],
        },
    )


def _read(name: str, summary: str, parameter: str) -> Callable[[Handler], Handler]:
    return extend_schema(
        operation_id=f"read_by_{name}",
        tags=["process"],
        summary=summary,
        parameters=[OpenApiParameter(parameter, OpenApiTypes.STR, OpenApiParameter.PATH)],
        responses={
            200: OpenApiResponse(_RECORD, examples=[OpenApiExample("Payment", value=_EXAMPLE_RECORD)]),
            404: NOT_FOUND,
        },
    )


PROCESS = extend_schema(
    operation_id="process_payment",
    tags=["process"],
    summary="Charge an order, or set money aside for it",
    description="With `capture: false` it stays `authorized`. A repeat answers with the payment that is there.",
    parameters=[IDEMPOTENCY_KEY],
    request=ProcessIn,
    examples=[
        OpenApiExample(
            "Process",
            value={"order_id": 342, "amount": 50.00, "currency": "USD", "payment_method": "credit_card"},
            request_only=True,
        )
    ],
    responses={
        200: _step("What became of it.", captured=_CAPTURED, declined=_DECLINED),
        202: _step(
            f"{_NOT_KNOWN} With `next_action` the payer has to confirm the payment at its `url`.",
            pending={**_DECLINED, **_NOT_YET, "status": "processing"},
            confirm={**_DECLINED, "status": "requires_action", "error": TO_CONFIRM, "next_action": NEXT_ACTION},
        ),
        400: problem("Invalid.", "amount: Ensure this value is greater than or equal to 0.01.", "invalid"),
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
CAPTURE = _by_transaction(
    "capture_transaction",
    "Take what is set aside, or a part of it; the rest is released",
    CaptureIn,
    {"amount": 20.00},
    done=_step("What became of it.", captured=_CAPTURED),
    pending=_step(_NOT_KNOWN, pending={**_CAPTURED, **_NOT_YET, "status": "authorized"}),
    invalid=problem(
        "Invalid, or more than is set aside.",
        "Capture of 60.00 exceeds the authorized 50.00",
        "capture_exceeds_authorized",
        requested=60.00,
        authorized=50.00,
    ),
    conflict=problem(
        "Not set aside, or another operation is running.",
        "Payment is FAILED, only an authorized one can be captured",
        "payment_not_capturable",
        status="FAILED",
    ),
)
VOID = _by_transaction(
    "void_transaction",
    "Release what is set aside",
    TransactionVoidIn,
    {},
    done=_step("What became of it.", voided={**_CAPTURED, "status": "voided"}),
    pending=_step(_NOT_KNOWN, pending={**_CAPTURED, **_NOT_YET, "status": "authorized"}),
    invalid=problem("Invalid.", "transaction_id: This field is required.", "invalid"),
    conflict=problem(
        "Not set aside.",
        "Payment is CAPTURED, only an authorized one can be voided",
        "payment_not_voidable",
        status="CAPTURED",
    ),
)
REFUND = _by_transaction(
    "refund_transaction",
    "Give back what was taken, or a part of it",
    RefundIn,
    {"amount": 20.00, "reason": "damaged"},
    done=_refunded("What became of it.", refunded=_REFUND, refused=_REFUND_REFUSED),
    pending=_refunded(
        "Accepted: the gateway has not said yes or no. The amount is booked, and it will be found out.",
        pending=_REFUND_PENDING,
    ),
    invalid=problem(
        "Invalid, or more than is left.",
        "Refund of 60.00 exceeds the 50.00 that is left",
        "refund_exceeds_captured",
        requested=60.00,
        refundable=50.00,
    ),
    conflict=OpenApiResponse(
        PROBLEM,
        description=(
            "Nothing was taken, or all of it is back; or the same refund (transaction and amount) was asked for "
            "without an `Idempotency-Key` while one is pending."
        ),
        examples=[
            OpenApiExample(
                "payment_not_refundable",
                value={
                    "error": "Payment is REFUNDED, only a captured one can be refunded",
                    "code": "payment_not_refundable",
                    "status": "REFUNDED",
                },
            ),
            OpenApiExample(
                "refund_pending",
                value={
                    "error": "A refund of 20.00 is on its way already",
                    "code": "refund_pending",
                    "refund_id": _REFUND["refund_id"],
                    "amount": 20.00,
                },
            ),
        ],
    ),
)
READ_PAYMENT = _read("payment", "A payment by its id or number", "payment_id")
READ_ORDER = _read("order", "The payment of an order", "order_id")
READ_TRANSACTION = _read("transaction", "The payment of a transaction", "transaction_id")


_BY_PAYMENT: Final = OpenApiParameter("payment_id", OpenApiTypes.STR, OpenApiParameter.PATH)
PAYMENT_EVENTS = extend_schema(
    operation_id="payment_events",
    tags=["process"],
    summary="The payment's audit trail, oldest first",
    parameters=[_BY_PAYMENT],
    responses={
        200: OpenApiResponse(_TRAIL, examples=[OpenApiExample("A trail", value={"items": []})]),
        400: NO_PARAMETERS,
        404: NOT_FOUND,
    },
)
PAYMENT_PROGRESS = extend_schema(
    operation_id="payment_progress",
    tags=["process"],
    summary="What the gateway was asked for, what happens next and when, and what must be true of the payment",
    parameters=[_BY_PAYMENT],
    responses={
        200: OpenApiResponse(
            _PROGRESS,
            examples=[
                OpenApiExample(
                    "At rest",
                    value={
                        "payment_id": 456,
                        "reference": "ECI20251110-0A1B2C3D",
                        "gateway": "simulated",
                        "attempt": 1,
                        "retry_count": 0,
                        "failure_code": None,
                        "void_requested": False,
                        "settled_reason": None,
                        "due_at": None,
                        "order_told_at": None,
                        "calls": [
                            {
                                "operation": "charge",
                                "key": "order-342-pay-1",
                                "attempt": 1,
                                "refund_id": None,
                                "due_at": None,
                            }
                        ],
                        "invariants": [],
                    },
                )
            ],
        ),
        404: NOT_FOUND,
    },
)
LIST_BLOCKED = extend_schema(
    operation_id="list_blocked_payments",
    tags=["process"],
    summary="What a gateway refuses for good though it is wanted, oldest first: it waits for a person",
    responses={
        200: OpenApiResponse(_BLOCKED_LIST, examples=[OpenApiExample("None", value={"items": [], "total": 0})]),
        400: NO_PARAMETERS,
    },
)
TAKE_UP = extend_schema(
    operation_id="take_up_payment",
    tags=["process"],
    summary="Have what the gateway has refused for good tried again",
    description="A worker asks the gateway at once. Refused again it waits for a person again.",
    parameters=[_BY_PAYMENT, IDEMPOTENCY_KEY],
    request=None,
    responses={
        202: OpenApiResponse(_RECORD, examples=[OpenApiExample("Taken up", value=_EXAMPLE_RECORD)]),
        404: NOT_FOUND,
        409: problem(
            "Nothing waits for a person here.",
            "The gateway refuses nothing that is wanted of this payment",
            "payment_not_blocked",
        ),
        422: REPLAY_PROBLEMS[422],
        **BAD_KEY,
    },
)
