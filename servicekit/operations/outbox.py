"""Events and their broker, over HTTP: which it has, which it refused for good; those listed, tried again, given up."""

from typing import Any, Final

from django.conf import settings
from django.urls import URLPattern
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit import exactjson
from servicekit.events import dead_letters, recorded
from servicekit.events.dead_letters import Dead
from servicekit.events.models import Event
from servicekit.idempotency.keys import idempotent
from servicekit.observability import request_id
from servicekit.operations.shared import MAX_ROWS, NUMBER, REPLAY, TOTAL, acting, counted
from servicekit.web.access import AUDIT
from servicekit.web.fields import QueryIdField, QueryIn, StrictCharField, parsed, refuse_parameters
from servicekit.web.messages import Request, Response
from servicekit.web.openapi import NO_PARAMETERS, problem
from servicekit.web.routes import route
from servicekit.web.views import View

_DEAD: Final = inline_serializer(
    "DeadLetter",
    {
        "position": serializers.IntegerField(help_text="By which it is replayed or given up."),
        "type": serializers.CharField(),
        "aggregate": serializers.CharField(help_text="order or payment"),
        "aggregate_id": serializers.CharField(),
        "sequence": serializers.IntegerField(),
        "error": serializers.CharField(help_text="Why the broker will never take it."),
        "died_at": serializers.DateTimeField(),
        "given_up_at": serializers.DateTimeField(allow_null=True),
        "waiting": serializers.IntegerField(help_text="How many events of the same order or payment wait behind it."),
    },
    many=True,
)
_DEAD_LIST: Final = inline_serializer("DeadLetterList", {"items": _DEAD, "total": TOTAL})
_RECORDED: Final = inline_serializer(
    "RecordedEvent",
    {
        "position": serializers.IntegerField(),
        "event_id": serializers.UUIDField(help_text="The `id` that consumers see."),
        "aggregate": serializers.CharField(help_text="order or payment"),
        "aggregate_id": serializers.CharField(),
        "sequence": serializers.IntegerField(),
        "type": serializers.CharField(),
        "created_at": serializers.DateTimeField(),
        "actor": serializers.CharField(allow_null=True),
        "request_id": serializers.CharField(
            allow_null=True, help_text="The request that caused it; null: none did, or it is from before that was kept."
        ),
        "relay_state": serializers.ChoiceField(
            recorded.STATES, help_text="`waiting`: for the relay. `dead`: refused for good."
        ),
        "published_at": serializers.DateTimeField(allow_null=True, help_text="When the broker had it."),
        "error": serializers.CharField(allow_null=True, help_text="Why the broker refuses it."),
        "broker": serializers.CharField(
            allow_null=True, help_text="kafka; null: there is none, and it went to the log."
        ),
    },
    many=True,
)
_RECORDED_LIST: Final = inline_serializer("RecordedEventList", {"items": _RECORDED})
_RECORDED_EXAMPLE: Final = {
    "position": 7,
    "event_id": "5b0c0b52-6a7e-4a38-9f0c-0d3cf0f0a5a1",
    "aggregate": "order",
    "aggregate_id": "c1a2b3d4-e5f6-7890-abcd-ef1234567890",
    "sequence": 3,
    "type": "order.paid",
    "created_at": "2025-11-10T12:05:00Z",
    "actor": "shop",
    "request_id": "3f9c2a5be7d14d0c9a0f8f3f0f6d2b11",
    "relay_state": "published",
    "published_at": "2025-11-10T12:05:00Z",
    "error": None,
    "broker": "kafka",
}


class RecordedIn(QueryIn):
    """Whose events."""

    aggregate_id = QueryIdField(required=False, max_length=64, help_text="The id of an order or a payment.")
    request_id = StrictCharField(
        required=False,
        max_length=request_id.MAX_LENGTH,
        help_text=f"`X-Request-ID` of what caused them; looked for among the newest {recorded.SEARCHED:,} events.",
    )

    def validate(self, attrs: Any) -> Any:
        if len(attrs) != 1:
            raise serializers.ValidationError({"aggregate_id": ["Give either this or request_id."]})
        return attrs


class RecordedView(View):
    @extend_schema(
        operation_id="list_recorded_events",
        tags=["operations"],
        summary="Events with the request that caused them, and whether the broker has them; oldest first",
        description=f"Of one order or payment, or of one request; the newest {MAX_ROWS}.",
        parameters=[RecordedIn],
        responses={
            200: OpenApiResponse(
                _RECORDED_LIST, examples=[OpenApiExample("One", value={"items": [_RECORDED_EXAMPLE]})]
            ),
            400: problem("Neither, or both.", "aggregate_id: Give either this or request_id.", "invalid"),
        },
    )
    def get(self, request: Request) -> Response:
        asked = parsed(RecordedIn, request.query_params)
        find = recorded.of_aggregate if "aggregate_id" in asked else recorded.of_request
        (given,) = asked.values()
        return Response({"items": [_recorded(each) for each in find(given, most=MAX_ROWS)]})


class DeadLettersView(View):
    @extend_schema(
        operation_id="list_dead_letters",
        tags=["operations"],
        summary="Events that their broker refused for good, oldest first",
        responses={
            200: OpenApiResponse(_DEAD_LIST, examples=[OpenApiExample("None", value={"items": [], "total": 0})]),
            400: NO_PARAMETERS,
        },
    )
    def get(self, request: Request) -> Response:
        refuse_parameters(request.query_params)
        found = dead_letters.listing()
        return Response({"items": [_dead(each) for each in found[:MAX_ROWS]], "total": len(found)})


class ReplayView(View):
    @acting("replay_dead_letter", "Have a dead event tried again; those behind it follow")
    @idempotent
    def post(self, _request: Request, number: str) -> Response:
        return counted(dead_letters.replay(int(number)))


class GiveUpView(View):
    @acting("give_up_dead_letter", "Never publish a dead event; those behind it go on without it")
    @idempotent
    def post(self, _request: Request, number: str) -> Response:
        return counted(dead_letters.give_up(int(number)))


def routes() -> list[URLPattern]:
    """Of a service that publishes."""
    return [
        route(r"^api/events/?$", RecordedView, get=AUDIT),
        route(r"^api/dead-letters/?$", DeadLettersView, get=AUDIT),
        route(rf"^api/dead-letters/{NUMBER}/replay/?$", ReplayView, post=REPLAY),
        route(rf"^api/dead-letters/{NUMBER}/give-up/?$", GiveUpView, post=REPLAY),
    ]


def _dead(dead: Dead) -> dict[str, Any]:
    letter, event = dead.letter, dead.letter.event
    return {
        "position": event.position,
        "type": event.type,
        "aggregate": event.aggregatetype,
        "aggregate_id": event.aggregateid,
        "sequence": event.sequence,
        "error": letter.error,
        "died_at": exactjson.utc_text(letter.died_at),
        "given_up_at": exactjson.utc_text(letter.given_up_at),
        "waiting": dead.waiting,
    }


def _recorded(event: Event) -> dict[str, Any]:
    state = recorded.state_of(event)
    return {
        "position": event.position,
        "event_id": event.event_id,
        "aggregate": event.aggregatetype,
        "aggregate_id": event.aggregateid,
        "sequence": event.sequence,
        "type": event.type,
        "created_at": exactjson.utc_text(event.created_at),
        "actor": event.actor,
        "request_id": event.request_id,
        "relay_state": state,
        "published_at": exactjson.utc_text(event.published_at) if state == recorded.PUBLISHED else None,
        "error": event.deadletter.error if state in (recorded.DEAD, recorded.GIVEN_UP) else None,
        "broker": "kafka" if settings.KAFKA else None,
    }
