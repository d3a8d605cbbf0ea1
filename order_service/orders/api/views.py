"""The order API: each view takes a request apart, calls one function, and puts the answer together."""

from order_service.orders import composition, reads, use_cases
from order_service.orders.api import docs, presenters
from order_service.orders.api.schemas import CancelIn, OrderListIn, PlaceOrderIn, ShowOrderIn
from order_service.orders.ops.audit import invariants
from servicekit.idempotency.keys import creation_id, idempotent
from servicekit.invariants.commands import QUIET_FOR_S
from servicekit.operations import checks
from servicekit.web.fields import parsed, refuse_parameters
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class OrdersView(View):
    @docs.LIST_ORDERS
    def get(self, request: Request) -> Response:
        asked = parsed(OrderListIn, request.query_params)
        place, filters, unfinished_for = asked["place"], asked["filters"], asked["unfinished_for"]
        listed = reads.list_orders(place=place, filters=filters, unfinished_for=unfinished_for)
        return Response(presenters.page(place, listed))

    @docs.PLACE_ORDER
    @idempotent
    def post(self, request: Request) -> Response:
        order = use_cases.place_order(creation_id(request), PlaceOrderIn.read(request.data), composition.a_run())
        status, body, headers = presenters.placed(order)
        return Response(body, status=status, headers=headers)


class OrderView(View):
    @docs.SHOW_ORDER
    def get(self, request: Request, reference: str) -> Response:
        live: bool = parsed(ShowOrderIn, request.query_params)["live"]
        return Response(presenters.order_json(use_cases.show_order(reference, composition.a_run(), live=live)))


class OrderEventsView(View):
    @docs.ORDER_EVENTS
    def get(self, request: Request, reference: str) -> Response:
        refuse_parameters(request.query_params)
        return Response({"items": reads.trail_of(reads.get_order(reference))})


class OrderProgressView(View):
    @docs.ORDER_PROGRESS
    def get(self, _request: Request, reference: str) -> Response:
        order = reads.get_order(reference)
        about, findings = invariants.of_order(order.number, quiet_for_s=QUIET_FOR_S)
        return Response(presenters.progress(order, checks.verdicts(about, findings, rows="this order")))


class CancelOrderView(View):
    @docs.CANCEL_ORDER
    @idempotent
    def post(self, request: Request, reference: str) -> Response:
        parsed(CancelIn, request.data)
        order = use_cases.cancel_order(reference, composition.a_run(), again=request.is_taken_over)
        status, body = presenters.cancelled(order)
        return Response(body, status=status)


class LookAgainView(View):
    @docs.LOOK_AGAIN
    @idempotent
    def post(self, _request: Request, reference: str) -> Response:
        return Response(presenters.order_json(use_cases.look_again(reference, composition.a_run())))
