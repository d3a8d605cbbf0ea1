"""Routes for the tests: each does one thing that the plumbing must cope with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.exceptions import Throttled

from servicekit import errors
from servicekit.events.metrics import EventCounter, count, no_labels, outbox
from servicekit.events.models import Event
from servicekit.idempotency.keys import creation_id, idempotent, idempotent_at_once
from servicekit.observability import actor
from servicekit.web import error_responses, fields, health, metrics_endpoint
from servicekit.web.admin import site
from servicekit.web.messages import Request, Response
from servicekit.web.routes import route
from servicekit.web.views import View
from servicekit.webhooks.api import urls as webhooks
from servicekit.webhooks.metrics import DISABLED
from servicekit.webhooks.metrics import webhooks as webhook_gauges


class OutOfStock(errors.Conflict):
    code = "out_of_stock"


class Kept(errors.Invalid):
    """Refused, and stored all the same."""

    code = "kept"
    is_outcome = True


PROBLEMS: dict[str, Exception] = {
    "conflict": OutOfStock("Product 2 is out of stock", product_id=2),
    "unavailable": errors.Unavailable("Payment service unavailable", retry_after_s=7),
    "throttled": Throttled(wait=2.6),
    "database": OperationalError("database is locked"),
    "crash": RuntimeError("secret internals"),
}


class EchoView(View):
    def get(self, _request: Request) -> Response:
        return Response({"is": "there"})

    def post(self, request: Request) -> Response:
        return Response(request.data, status=201)


class RaiseView(View):
    def get(self, _request: Request, name: str) -> Response:
        raise PROBLEMS[name]


@csrf_exempt
def plain_crash(_request: HttpRequest) -> HttpResponse:
    """A view that DRF knows nothing of."""
    raise PROBLEMS["crash"]


class PartIn(fields.BodyIn):
    count = fields.StrictIntegerField(min_value=1)


class ThingIn(fields.BodyIn):
    name = fields.StrictCharField(max_length=5)
    amount = fields.MoneyInField(min_value=0, required=False)
    count = fields.StrictIntegerField(min_value=1, max_value=fields.MAX_ID, required=False)
    currency = fields.CurrencyField(required=False)
    note = fields.FreeTextField(max_length=255, required=False)
    shade = serializers.ChoiceField(["red"], required=False)
    parts = fields.BoundedListField(child=PartIn(), max_length=50, required=False)


class ListIn(fields.QueryIn):
    since = fields.QueryMomentField(required=False)
    name = fields.FreeTextField(max_length=255, required=False)


class FieldsView(View):
    def post(self, request: Request) -> Response:
        return Response(fields.parsed(ThingIn, request.data))


def create_at_once(request: Request) -> Callable[[], Response] | None:
    """The short way of creating a "thing"; one that is named "long" needs the long way."""
    asked, uid = fields.parsed(ThingIn, request.data), creation_id(request)

    def write() -> Response:
        Event.objects.create(event_id=uid, **_row(uid))
        if asked["name"] == "clash":
            raise PROBLEMS["conflict"]
        return Response({"id": uid, **asked}, status=201)

    return None if asked["name"] == "long" else write


# What happens while a "late" thing is created: each is taken once.
MEANWHILE: list[Callable[[], object]] = []


def late(asked: dict[str, Any]) -> Response:
    """Answers how many of them were still to come; with an amount the last to answer is refused."""
    left = len(MEANWHILE)
    if MEANWHILE:
        MEANWHILE.pop()()
    if left and "amount" in asked:
        raise errors.Invalid("Too late")
    return Response({"left": left}, status=201)


class ListView(View):
    def get(self, request: Request) -> Response:
        return Response(fields.parsed(ListIn, request.query_params))


def _row(uid: UUID) -> dict[str, Any]:
    return {"aggregateid": str(uid), "sequence": 1, "actor": actor.current()}


class CreateView(View):
    """Creates a "thing" (an event row, which servicekit has anyway), unless its name says what to do instead."""

    @idempotent
    def post(self, request: Request) -> Response:
        asked = fields.parsed(ThingIn, request.data)
        if asked["name"] == "clash":
            raise PROBLEMS["conflict"]
        if asked["name"] == "late":
            return late(asked)
        uid = creation_id(request)
        _, created = Event.objects.get_or_create(
            event_id=uid, defaults={"aggregateid": str(uid), "sequence": 1, "actor": actor.current()}
        )
        if asked["name"] == "crash" and created:
            raise PROBLEMS["crash"]
        if asked["name"] == "kept":
            raise Kept("It is none, and is kept")
        return Response({"id": uid, **asked}, status=201)


class CreateAtOnceView(View):
    @idempotent_at_once(create_at_once)
    def post(self, request: Request) -> Response:
        asked = fields.parsed(ThingIn, request.data)
        if asked["name"] == "clash":
            raise PROBLEMS["conflict"]
        uid = creation_id(request)
        Event.objects.get_or_create(
            event_id=uid, defaults={"aggregateid": str(uid), "sequence": 1, "actor": actor.current()}
        )
        return Response({"id": uid, "way": "long", **asked}, status=201)


COUNTERS = (
    EventCounter("things", "All of them.", {"thing.made": no_labels, "thing.broken": no_labels}),
    EventCounter("things_made", "New ones.", {"thing.made": no_labels}),
    EventCounter(
        "things_broken",
        "By colour.",
        {"thing.broken": lambda data: (data["colour"],)},
        label_names=("colour",),
        known=(("red",),),
    ),
    EventCounter(
        "things_broken_red", "Red ones.", {"thing.broken": lambda data: () if data["colour"] == "red" else None}
    ),
    DISABLED,
)

urlpatterns = [
    *webhooks.urlpatterns,
    re_path(r"^echo/?$", EchoView.as_view()),
    path("raise/<str:name>", RaiseView.as_view()),
    path("plain-crash", plain_crash),
    path("fields", FieldsView.as_view()),
    route(r"^list$", ListView, get="things:read"),
    route(r"^things/?$", CreateView, post="things:write"),
    path("other-things", CreateView.as_view()),
    path("at-once", CreateAtOnceView.as_view()),
    *health.routes(service="servicekit", version="1.2.3"),
    *metrics_endpoint.routes(outbox, lambda: count(COUNTERS), webhook_gauges),
    *site.routes(),
    re_path(r"", error_responses.unknown_route),
]

handler400 = error_responses.refused
handler403 = error_responses.refused
handler404 = error_responses.refused
handler500 = error_responses.server_error
