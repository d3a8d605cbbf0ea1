"""Messages that a consumer could not take, over HTTP: listed, and taken again."""

from typing import Any, Final

from django.urls import URLPattern
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit import exactjson
from servicekit.idempotency.keys import idempotent
from servicekit.inbox import parking
from servicekit.inbox.models import Parked
from servicekit.operations.shared import MAX_ROWS, NUMBER, REPLAY, TOTAL, acting, counted
from servicekit.web.access import AUDIT
from servicekit.web.fields import MAX_ID
from servicekit.web.messages import Request, Response
from servicekit.web.routes import route
from servicekit.web.views import View

_PARKED: Final = inline_serializer(
    "ParkedMessage",
    {
        "number": serializers.IntegerField(),
        "consumer": serializers.CharField(),
        "reason": serializers.CharField(),
        "detail": serializers.CharField(),
        "topic": serializers.CharField(),
        "partition": serializers.IntegerField(),
        "offset": serializers.IntegerField(),
        "parked_at": serializers.DateTimeField(),
        "replay_at": serializers.DateTimeField(allow_null=True, help_text="When its consumer is to take it again."),
    },
    many=True,
)
_PARKED_LIST: Final = inline_serializer("ParkedMessageList", {"items": _PARKED, "total": TOTAL})


class ParkedView(View):
    @extend_schema(
        operation_id="list_parked_messages",
        tags=["operations"],
        summary="Messages that a consumer could not take, oldest first",
        responses={
            200: OpenApiResponse(_PARKED_LIST, examples=[OpenApiExample("None", value={"items": [], "total": 0})])
        },
    )
    def get(self, _request: Request) -> Response:
        found = parking.parked()
        return Response({"items": [_parked(each) for each in found[:MAX_ROWS]], "total": len(found)})


class ReplayParkedView(View):
    @acting("replay_parked_message", "Have a parked message taken again by its consumer")
    @idempotent
    def post(self, _request: Request, number: str) -> Response:
        return counted(parking.request_replay(parking.parked(numbers=[min(int(number), MAX_ID)])))


def routes() -> list[URLPattern]:
    """Of a service that consumes."""
    return [
        route(r"^api/parked-messages/?$", ParkedView, get=AUDIT),
        route(rf"^api/parked-messages/{NUMBER}/replay/?$", ReplayParkedView, post=REPLAY),
    ]


def _parked(row: Parked) -> dict[str, Any]:
    return {
        "number": row.number,
        "consumer": row.consumer,
        "reason": row.reason,
        "detail": row.detail,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "parked_at": exactjson.utc_text(row.parked_at),
        "replay_at": exactjson.utc_text(row.replay_at),
    }
