"""The API of webhooks: each view takes a request apart and calls one function."""

from datetime import timedelta

from servicekit.idempotency.keys import creation_id, idempotent
from servicekit.web import paging
from servicekit.web.fields import parsed, refuse_parameters
from servicekit.web.messages import Request, Response
from servicekit.web.views import View
from servicekit.webhooks import deliveries, endpoints
from servicekit.webhooks.api import docs
from servicekit.webhooks.api.schemas import (
    COLUMNS,
    DeliveryListIn,
    ExampleIn,
    RecoverIn,
    RotateIn,
    WebhookChangeIn,
    WebhookIn,
    delivery_json,
    webhook_json,
)


class WebhooksView(View):
    @docs.LIST
    def get(self, request: Request) -> Response:
        refuse_parameters(request.query_params)
        return Response({"items": [webhook_json(each) for each in endpoints.all_of_them()]})

    @docs.CREATE
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(WebhookIn, request.data)
        made = endpoints.create(
            creation_id(request),
            url=asked["url"],
            asked=asked["events"],
            description=asked.get("description", ""),
            contact=asked.get("contact", ""),
            is_ordered=asked["ordered"],
            is_enabled=asked["enabled"],
        )
        return Response(webhook_json(made, with_secret=True), status=201)


class WebhookView(View):
    @docs.SHOW
    def get(self, _request: Request, endpoint: str) -> Response:
        return Response(webhook_json(endpoints.get(endpoint)))

    @docs.CHANGE
    def patch(self, request: Request, endpoint: str) -> Response:
        found = endpoints.get(endpoint)
        asked = parsed(WebhookChangeIn, request.data)
        wanted = {COLUMNS.get(name, name): value for name, value in asked.items()}
        return Response(webhook_json(endpoints.change(found, wanted)))

    @docs.DELETE
    def delete(self, _request: Request, endpoint: str) -> Response:
        endpoints.delete(endpoints.get(endpoint))
        return Response(status=204)


class RotateView(View):
    @docs.ROTATE
    @idempotent
    def post(self, request: Request, endpoint: str) -> Response:
        found = endpoints.get(endpoint)
        overlap_s: int = parsed(RotateIn, request.data)["overlap_s"]
        return Response(webhook_json(endpoints.rotate(found, overlap=timedelta(seconds=overlap_s)), with_secret=True))


class ExampleView(View):
    @docs.EXAMPLE
    @idempotent
    def post(self, request: Request, endpoint: str) -> Response:
        found = endpoints.get(endpoint)
        event_type: str = parsed(ExampleIn, request.data)["type"]
        return Response(delivery_json(deliveries.send_example(found, event_type, uid=creation_id(request))), status=202)


class RecoverView(View):
    @docs.RECOVER
    @idempotent
    def post(self, request: Request, endpoint: str) -> Response:
        found = endpoints.get(endpoint)
        return Response({"recovered": deliveries.recover(found, parsed(RecoverIn, request.data)["since"])})


class DeliveriesView(View):
    @docs.LOG
    def get(self, request: Request, endpoint: str) -> Response:
        asked = parsed(DeliveryListIn, request.query_params)
        place, rows = asked["place"], deliveries.of(endpoints.get(endpoint)).filter(**asked["filters"])
        listed = paging.page_of(rows, place, newest_first=True)
        return Response(place.body(listed, [delivery_json(each) for each in listed.rows]))


class DeliveryView(View):
    @docs.SHOW_DELIVERY
    def get(self, _request: Request, endpoint: str, delivery: str) -> Response:
        found = deliveries.get(endpoints.get(endpoint), delivery)
        return Response({**delivery_json(found), "attempts": list(deliveries.attempts_of(found))})


class ResendView(View):
    @docs.RESEND
    @idempotent
    def post(self, _request: Request, endpoint: str, delivery: str) -> Response:
        found = endpoints.get(endpoint)
        return Response(delivery_json(deliveries.resend(found, deliveries.get(found, delivery))), status=202)
