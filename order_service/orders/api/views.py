"""The order API: each view takes a request apart, calls one function, and puts the answer together."""

from typing import Any

from order_service.orders import actions, selectors, wiring
from order_service.orders.api import docs, representation
from order_service.orders.api.serializers import CancelIn, OrderListIn, PlaceOrderIn, ShowOrderIn
from servicekit.idempotency.keys import creation_id, idempotent, is_taken_over
from servicekit.messages import Request, Response
from servicekit.rest import parsed
from servicekit.views import View


class OrdersView(View):
    @docs.LIST_ORDERS
    def get(self, request: Request) -> Response:
        asked: dict[str, Any] = parsed(OrderListIn, request.query_params)
        listed = selectors.list_orders(**asked)
        return Response(representation.page(asked["place"], listed))

    @docs.PLACE_ORDER
    @idempotent
    def post(self, request: Request) -> Response:
        asked: dict[str, Any] = parsed(PlaceOrderIn, request.data)
        order = actions.place_order(creation_id(request), wiring.a_run(), **asked)
        status, body, headers = representation.placed(order)
        return Response(body, status=status, headers=headers)


class OrderView(View):
    @docs.SHOW_ORDER
    def get(self, request: Request, reference: str) -> Response:
        asked: dict[str, Any] = parsed(ShowOrderIn, request.query_params)
        return Response(representation.order_json(actions.show_order(reference, wiring.a_run(), **asked)))


class OrderEventsView(View):
    @docs.ORDER_EVENTS
    def get(self, _request: Request, reference: str) -> Response:
        return Response({"items": selectors.trail_of(selectors.get_order(reference))})


class CancelOrderView(View):
    @docs.CANCEL_ORDER
    @idempotent
    def post(self, request: Request, reference: str) -> Response:
        parsed(CancelIn, request.data)
        order = actions.cancel_order(reference, wiring.a_run(), again=is_taken_over(request))
        status, body = representation.cancelled(order)
        return Response(body, status=status)


class LookAgainView(View):
    @docs.LOOK_AGAIN
    @idempotent
    def post(self, _request: Request, reference: str) -> Response:
        return Response(representation.order_json(actions.look_again(reference, wiring.a_run())))
