"""What a consumer has taken, and what it could not take, over HTTP: listed, and taken again."""

from typing import Any, Final

from django.urls import URLPattern
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit import exactjson
from servicekit.idempotency.keys import idempotent
from servicekit.inbox import parking
from servicekit.inbox.models import Consumed, Parked
from servicekit.operations.shared import MAX_ROWS, NUMBER, REPLAY, TOTAL, acting, counted
from servicekit.web.access import AUDIT
from servicekit.web.fields import MAX_ID, QueryIn, parsed, refuse_parameters
from servicekit.web.messages import Request, Response
from servicekit.web.openapi import NO_PARAMETERS, problem
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
_CONSUMED: Final = inline_serializer(
    "ConsumedEvent",
    {
        "consumer": serializers.CharField(),
        "source": serializers.CharField(help_text="The service that published it."),
        "event_id": serializers.CharField(),
        "consumed_at": serializers.DateTimeField(),
    },
    many=True,
)
# A URL has room for the ids of so many.
_MOST_ASKED: Final = 100
_CONSUMED_LIST: Final = inline_serializer("ConsumedEventList", {"items": _CONSUMED})


class ConsumedIn(QueryIn):
    """Which events."""

    event_ids = serializers.RegexField(
        r"^[A-Za-z0-9._,-]+$",
        max_length=_MOST_ASKED * 37,
        help_text=f"Ids of events, separated by commas; {_MOST_ASKED} at most, the rest is not looked for.",
    )


class ConsumedView(View):
    consumer: str = ""

    @extend_schema(
        operation_id="list_consumed_events",
        tags=["operations"],
        summary="Which of these events have had their effect here, and when",
        description="For as long as that is kept (`CONSUMED_KEPT_DAYS`).",
        parameters=[ConsumedIn],
        responses={
            200: OpenApiResponse(_CONSUMED_LIST, examples=[OpenApiExample("None", value={"items": []})]),
            400: problem("No ids.", "event_ids: This field is required.", "invalid"),
        },
    )
    def get(self, request: Request) -> Response:
        ids = parsed(ConsumedIn, request.query_params)["event_ids"].split(",")[:_MOST_ASKED]
        found = Consumed.objects.filter(consumer=self.consumer, event_id__in=ids).order_by("number")
        return Response({"items": [_consumed(each) for each in found]})


class ParkedView(View):
    @extend_schema(
        operation_id="list_parked_messages",
        tags=["operations"],
        summary="Messages that a consumer could not take, oldest first",
        responses={
            200: OpenApiResponse(_PARKED_LIST, examples=[OpenApiExample("None", value={"items": [], "total": 0})]),
            400: NO_PARAMETERS,
        },
    )
    def get(self, request: Request) -> Response:
        refuse_parameters(request.query_params)
        found = parking.parked()
        return Response({"items": [_parked(each) for each in found[:MAX_ROWS]], "total": len(found)})


class ReplayParkedView(View):
    @acting("replay_parked_message", "Have a parked message taken again by its consumer")
    @idempotent
    def post(self, _request: Request, number: str) -> Response:
        return counted(parking.request_replay(parking.parked(numbers=[min(int(number), MAX_ID)])))


def routes(consumer: str) -> list[URLPattern]:
    """Of a service that consumes, as it is called there."""
    return [
        route(r"^api/consumed-events/?$", ConsumedView, options={"consumer": consumer}, get=AUDIT),
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


def _consumed(row: Consumed) -> dict[str, Any]:
    return {
        "consumer": row.consumer,
        "source": row.source,
        "event_id": row.event_id,
        "consumed_at": exactjson.utc_text(row.consumed_at),
    }
