"""Events that their broker refused for good, over HTTP: listed, tried again, given up."""

from typing import Any, Final

from django.urls import URLPattern
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from servicekit import exactjson
from servicekit.events import dead_letters
from servicekit.events.dead_letters import Dead
from servicekit.idempotency.keys import idempotent
from servicekit.operations.shared import MAX_ROWS, NUMBER, REPLAY, TOTAL, acting, counted
from servicekit.web.access import AUDIT
from servicekit.web.messages import Request, Response
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


class DeadLettersView(View):
    @extend_schema(
        operation_id="list_dead_letters",
        tags=["operations"],
        summary="Events that their broker refused for good, oldest first",
        responses={
            200: OpenApiResponse(_DEAD_LIST, examples=[OpenApiExample("None", value={"items": [], "total": 0})])
        },
    )
    def get(self, _request: Request) -> Response:
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
