"""HTTP in, a service call, HTTP out."""

from typing import Any

from product_stub.catalog import errors, reads, worker_jobs, writes
from product_stub.catalog.api import docs
from product_stub.catalog.api.schemas import (
    PageIn,
    ProductIn,
    RestockIn,
    confirmed_body,
    page_body,
    parse_ids,
    parse_return,
    parse_wanted,
    product_body,
    reservation_body,
)
from servicekit.apikeys.guard import admit
from servicekit.idempotency.keys import creation_id, idempotent
from servicekit.web.access import ANY_KEY
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class ProductsView(View):
    """The catalogue."""

    @docs.LIST_PRODUCTS
    def get(self, request: Request) -> Response:
        asked = parsed(PageIn, request.query_params)
        return Response(page_body(asked["place"], reads.list_products(asked["place"])))

    @docs.CREATE_PRODUCT
    @idempotent
    def post(self, request: Request) -> Response:
        body = parsed(ProductIn, request.data)
        product = writes.create_product(
            creation_id(request), name=body["name"], price=body["price"], stock=body["stock"]
        )
        return Response(product_body(product), status=201)


class ProductView(View):
    """One product."""

    @docs.GET_PRODUCT
    def get(self, request: Request, product_id: str) -> Response:
        return Response(product_body(reads.get_product(int(product_id))))


class RestockView(View):
    """More units of a product."""

    @docs.RESTOCK_PRODUCT
    @idempotent
    def post(self, request: Request, product_id: str) -> Response:
        body = parsed(RestockIn, request.data)
        product = writes.restock(int(product_id), uid=creation_id(request), quantity=body["quantity"])
        return Response(product_body(product))


class ReservationView(View):
    """A reservation, under the id that its owner chose."""

    @docs.GET_RESERVATION
    def get(self, request: Request, reservation_id: str) -> Response:
        return Response(reservation_body(reads.get_reservation(reservation_id)))

    @docs.PUT_RESERVATION
    def put(self, request: Request, reservation_id: str) -> Response:
        held = writes.reserve(reservation_id, wanted=parse_wanted(request.data))
        return Response(reservation_body(held.reservation), status=201 if held.is_new else 200)

    @docs.DELETE_RESERVATION
    def delete(self, request: Request, reservation_id: str) -> Response:
        worker_jobs.release(reservation_id, return_sold=parse_return(request.query_params))
        return Response(status=204)


class ConfirmView(View):
    """A reservation that is sold."""

    @docs.CONFIRM_RESERVATION
    @idempotent
    def post(self, request: Request, reservation_id: str) -> Response:
        return Response(reservation_body(writes.confirm(reservation_id)))


class ConfirmManyView(View):
    """Reservations that are sold, each answered by itself."""

    @docs.CONFIRM_RESERVATIONS
    @idempotent
    def post(self, request: Request) -> Response:
        return Response(confirmed_body(writes.confirm_all(parse_ids(request.data))))


class NoProductView(View):
    """What is not a product's id names no product."""

    def initial(self, request: Any, *args: object, **kwargs: object) -> None:
        admit(request, {request.method: ANY_KEY})
        raise errors.ProductNotFound


class NoReservationView(View):
    """What is not a reservation's id names no reservation."""

    def initial(self, request: Any, *args: object, **kwargs: object) -> None:
        admit(request, {request.method: ANY_KEY})
        raise errors.ReservationNotFound
