"""How each operation stands in the OpenAPI document of its service."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from servicekit.web.openapi import BAD_KEY, IDEMPOTENCY_KEY, NO_PARAMETERS, REPLAY_PROBLEMS, problem
from servicekit.webhooks.api.schemas import (
    DeliveriesOut,
    DeliveryListIn,
    DeliveryOut,
    DeliveryWithAttemptsOut,
    ExampleIn,
    RecoveredOut,
    RecoverIn,
    RotateIn,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
    WebhooksOut,
    WebhookWithSecretOut,
)

_TAGS: Final = ["webhooks"]
_WEBHOOK: Final[dict[str, Any]] = {
    "id": "5f0c2b1e-3f5a-4b52-9a43-0c1f7f1f2a10",
    "url": "https://shop.example.org/hooks",
    "events": ["order.*"],
    "description": "The shop's own",
    "contact": "ops@example.org",
    "ordered": False,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2025-11-10T12:05:00Z",
    "created_by": "shop",
}
_WITH_SECRET: Final = {**_WEBHOOK, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq="}
_DELIVERY: Final[dict[str, Any]] = {
    "id": "0d7a4f0e-7d55-4d5c-8a39-2b1c9d8a7f33",
    "message_id": "c2f5a1d4-0b7e-4c36-8f2a-9d3e1b5a6c70",
    "type": "order.paid",
    "subject": "c1a2b3d4-e5f6-7890-abcd-ef1234567890",
    "state": "delivered",
    "reason": None,
    "tries": 2,
    "next_attempt_at": None,
    "created_at": "2025-11-10T12:05:00Z",
    "ended_at": "2025-11-10T12:05:06Z",
}
_ATTEMPTS: Final = [
    {
        "at": "2025-11-10T12:05:00Z",
        "status": 500,
        "duration_ms": 31,
        "answer": "no",
        "problem": "it answered 500",
    },
    {"at": "2025-11-10T12:05:05Z", "status": 204, "duration_ms": 12, "answer": "", "problem": None},
]
_ENDPOINT: Final = OpenApiParameter(
    "endpoint", OpenApiTypes.STR, OpenApiParameter.PATH, description="The webhook's `id`."
)
_ID: Final = OpenApiParameter("delivery", OpenApiTypes.STR, OpenApiParameter.PATH, description="The delivery's `id`.")
_NO_WEBHOOK: Final = {404: problem("No such webhook.", "Webhook not found", "webhook_not_found")}
_NO_DELIVERY: Final = {404: problem("No such delivery.", "Delivery not found", "delivery_not_found")}
_BAD: Final = {
    400: problem(
        "A wrong field, a type that no event is of, or a URL that nobody may be asked at.",
        "10.0.0.1 is no public address",
        "webhook_url_refused",
    ),
}
_DISABLED: Final = {
    409: problem(
        "It is disabled, or a request with this key is still running.", "The webhook is disabled", "webhook_disabled"
    ),
    422: REPLAY_PROBLEMS[422],
}


def _answer(kind: Any, description: str, example: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(kind, description=description, examples=[OpenApiExample("Example", value=example)])


LIST = extend_schema(
    operation_id="list_webhooks",
    tags=_TAGS,
    summary="List the webhooks",
    responses={200: _answer(WebhooksOut, "All of them, oldest first.", {"items": [_WEBHOOK]}), 400: NO_PARAMETERS},
)
CREATE = extend_schema(
    operation_id="create_webhook",
    tags=_TAGS,
    summary="Have events sent to a URL",
    description="From now on each event that it asks for is sent there, signed as Standard Webhooks has it.",
    parameters=[IDEMPOTENCY_KEY],
    request=WebhookIn,
    examples=[
        OpenApiExample(
            "Orders", value={"url": "https://shop.example.org/hooks", "events": ["order.*"]}, request_only=True
        )
    ],
    responses={
        201: _answer(WebhookWithSecretOut, "It is there.", _WITH_SECRET),
        **_BAD,
        409: problem("There are as many as there may be.", "There are 100 webhooks already", "too_many_webhooks"),
        422: REPLAY_PROBLEMS[422],
    },
)
SHOW = extend_schema(
    operation_id="show_webhook",
    tags=_TAGS,
    summary="Show a webhook",
    parameters=[_ENDPOINT],
    responses={200: _answer(WebhookOut, "The webhook.", _WEBHOOK), **_NO_WEBHOOK},
)
CHANGE = extend_schema(
    operation_id="change_webhook",
    tags=_TAGS,
    summary="Change, disable or enable a webhook",
    description="Disabled, it is sent nothing, and what waits is dead; `recover` sends that once it is enabled.",
    parameters=[_ENDPOINT],
    request=WebhookChangeIn,
    responses={200: _answer(WebhookOut, "As it is now.", _WEBHOOK), **_BAD, **_NO_WEBHOOK},
)
DELETE = extend_schema(
    operation_id="delete_webhook",
    tags=_TAGS,
    summary="Delete a webhook",
    parameters=[_ENDPOINT],
    responses={204: OpenApiResponse(description="It is gone, and what waits for it is dead."), **_NO_WEBHOOK},
)
ROTATE = extend_schema(
    operation_id="rotate_webhook",
    tags=_TAGS,
    summary="Give a webhook a new secret",
    description="Until the overlap is over each message is signed with both.",
    parameters=[_ENDPOINT, IDEMPOTENCY_KEY],
    request=RotateIn,
    responses={
        200: _answer(WebhookWithSecretOut, "With its new secret.", _WITH_SECRET),
        **BAD_KEY,
        **REPLAY_PROBLEMS,
        **_NO_WEBHOOK,
    },
)
EXAMPLE = extend_schema(
    operation_id="send_webhook_example",
    tags=_TAGS,
    summary="Send an example",
    description='A message that tells of no event; `data` is `{"example": true}`.',
    parameters=[_ENDPOINT, IDEMPOTENCY_KEY],
    request=ExampleIn,
    responses={
        202: _answer(DeliveryOut, "It is on its way.", {**_DELIVERY, "type": "webhook.example"}),
        **BAD_KEY,
        **_DISABLED,
        **_NO_WEBHOOK,
    },
)
RECOVER = extend_schema(
    operation_id="recover_webhook",
    tags=_TAGS,
    summary="Send all that failed again",
    parameters=[_ENDPOINT, IDEMPOTENCY_KEY],
    request=RecoverIn,
    examples=[OpenApiExample("Since", value={"since": "2025-11-10T12:05:00Z"}, request_only=True)],
    responses={
        200: _answer(RecoveredOut, "They are on their way.", {"recovered": 7}),
        400: problem("A wrong moment.", "since: Datetime has wrong format.", "invalid"),
        **_DISABLED,
        **_NO_WEBHOOK,
    },
)
LOG = extend_schema(
    operation_id="list_webhook_deliveries",
    tags=_TAGS,
    summary="List a webhook's deliveries, newest first",
    parameters=[_ENDPOINT, DeliveryListIn],
    responses={
        200: _answer(DeliveriesOut, "A page.", {"items": [_DELIVERY], "page": 1, "per_page": 20, "total": 1}),
        400: problem("A wrong filter.", "page: A valid integer is required.", "invalid"),
        **_NO_WEBHOOK,
    },
)
SHOW_DELIVERY = extend_schema(
    operation_id="show_webhook_delivery",
    tags=_TAGS,
    summary="Show a delivery with every attempt",
    parameters=[_ENDPOINT, _ID],
    responses={
        200: _answer(DeliveryWithAttemptsOut, "The delivery.", {**_DELIVERY, "attempts": _ATTEMPTS}),
        **_NO_DELIVERY,
    },
)
RESEND = extend_schema(
    operation_id="resend_webhook_delivery",
    tags=_TAGS,
    summary="Send a delivery again",
    description="Now, whatever became of it, and with all its retries.",
    parameters=[_ENDPOINT, _ID, IDEMPOTENCY_KEY],
    request=None,
    responses={
        202: _answer(DeliveryOut, "It is on its way.", {**_DELIVERY, "state": "waiting", "ended_at": None}),
        **BAD_KEY,
        **_DISABLED,
        **_NO_DELIVERY,
    },
)
