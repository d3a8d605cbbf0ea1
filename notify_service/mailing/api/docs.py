"""How the operation stands in the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from notify_service.mailing.api.schemas import MailListIn, MailPageOut
from servicekit.web.openapi import problem

_SENT: Final[dict[str, Any]] = {
    "id": "6f1f6f0e-5d0b-5f64-9d5b-3a1d0f3a7f10",
    "order_id": "c1a2b3d4-e5f6-7890-abcd-ef1234567890",
    "event_id": "c2f5a1d4-0b7e-4c36-8f2a-9d3e1b5a6c70",
    "subject": "Payment received for order c1a2b3d4-e5f6-7890-abcd-ef1234567890",
    "to": "o***@example.org",
    "state": "sent",
    "tries": 2,
    "last_error": "SMTPServerDisconnected",
    "next_attempt_at": None,
    "created_at": "2025-11-10T12:05:00Z",
    "sent_at": "2025-11-10T12:05:02Z",
}
_PAGE: Final = {"items": [_SENT], "page": 1, "per_page": 20, "total": 1}

LIST_MAILS = extend_schema(
    operation_id="list_mails",
    tags=["mails"],
    summary="List mails, newest first",
    description=(
        "One for each payment, failed payment and refund: what was sent, what waits, and what was given up. Sent ones "
        "are kept for `CONSUMED_KEPT_DAYS`."
    ),
    parameters=[MailListIn],
    responses={
        200: OpenApiResponse(MailPageOut, description="A page.", examples=[OpenApiExample("Sent", value=_PAGE)]),
        400: problem("A wrong filter.", "page: A valid integer is required.", "invalid"),
    },
)
