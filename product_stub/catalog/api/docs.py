"""The OpenAPI description of each operation: parameters, and an example of each answer that a client can meet."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from product_stub.catalog.api import schemas as shapes
from servicekit.web.openapi import IDEMPOTENCY_KEY, PROBLEM, problem

_LINE_PROBLEM: Final = inline_serializer(
    "LineProblem",
    {
        "error": serializers.CharField(),
        "code": serializers.CharField(),
        "product_id": serializers.IntegerField(required=False, help_text="The product of the first bad line."),
        "items": shapes.LineOut(many=True, required=False, help_text="The lines whose product exists."),
    },
)


def _answer(shape: Any, description: str, **examples: object) -> OpenApiResponse:
    named = [OpenApiExample(name, value=value) for name, value in examples.items()]
    return OpenApiResponse(shape, description=description, examples=named)


def _problems(shape: Any, description: str, *examples: Mapping[str, object]) -> OpenApiResponse:
    return _answer(shape, description, **{str(example["code"]): example for example in examples})


def _sentence(code: str, sentence: str, **fields: object) -> dict[str, object]:
    return {"error": sentence, "code": code, **fields}


def _invalid(field: str, sentence: str) -> dict[str, object]:
    return _sentence("invalid", f"{field}: {sentence}", fields={field: [sentence]})


def _body(name: str, value: object) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


_KEYBOARD: Final = {"id": 1, "name": "Mechanical Keyboard", "price": Decimal("30.00"), "stock": 100000000}
_WEBCAM: Final = {"name": "Webcam", "price": Decimal("59.90"), "stock": 25}
_LINES: Final = [
    {"product_id": 1, "name": "Mechanical Keyboard", "unit_price": Decimal("30.00"), "quantity": 2},
    {"product_id": 2, "name": "Wireless Mouse", "unit_price": Decimal("20.00"), "quantity": 1},
]
_WANTED: Final = {"items": [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]}
_HELD: Final = {"id": "c1a2b3d4-e5f6-7890-abcd-ef1234567890", "status": "HELD", "items": _LINES}
_TOMBSTONE: Final = {**_HELD, "status": "RELEASED", "items": []}

_TOO_SMALL: Final = "Ensure this value is greater than or equal to {least}."
_MALFORMED: Final = _sentence("malformed_json", "Malformed JSON: Input data was truncated")
_BAD_KEY: Final = _sentence("idempotency_key_invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters")
_KEY_IN_USE: Final = _sentence("idempotency_key_in_use", "A request with this Idempotency-Key is still running")
_KEY_REUSED: Final = _sentence("idempotency_key_reused", "This Idempotency-Key was used with another request body")
_RELEASED: Final = _sentence("reservation_released", "Reservation was released")
_REUSED: Final = {422: _problems(PROBLEM, "The key was used with another body.", _KEY_REUSED)}
_NO_PRODUCT: Final = {404: problem("Unknown.", "Product 99 not found", "product_not_found", product_id=99)}
_NO_RESERVATION: Final = {404: problem("Unknown, or not an id.", "Reservation not found", "reservation_not_found")}

_PRODUCT_ID: Final = OpenApiParameter(
    "product_id", {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, OpenApiParameter.PATH
)
_RESERVATION_ID: Final = OpenApiParameter(
    "reservation_id",
    {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    OpenApiParameter.PATH,
    description="Chosen by whoever reserves: the order's id, for one.",
)
_RETURN: Final = OpenApiParameter(
    "return",
    OpenApiTypes.STR,
    enum=["true", "false"],
    default="false",
    description="`true`: the goods of a confirmed reservation have come back.",
)

LIST_PRODUCTS = extend_schema(
    operation_id="list_products",
    summary="The catalogue, a page at a time, in the order of its ids",
    tags=["products"],
    parameters=[shapes.PageIn],
    responses={
        200: _answer(
            shapes.ProductPageOut, "A page.", page={"items": [_KEYBOARD], "page": 1, "per_page": 1, "total": 6}
        ),
        400: _problems(PROBLEM, "Bad page.", _invalid("per_page", "Ensure this value is less than or equal to 200.")),
    },
)
CREATE_PRODUCT = extend_schema(
    operation_id="create_product",
    summary="Add a product",
    tags=["products"],
    parameters=[IDEMPOTENCY_KEY],
    request=shapes.ProductIn,
    examples=[_body("product", _WEBCAM)],
    responses={
        201: _answer(shapes.ProductOut, "Added.", product={"id": 7, **_WEBCAM}),
        400: _problems(PROBLEM, "Bad input.", _invalid("price", _TOO_SMALL.format(least="0.01")), _MALFORMED, _BAD_KEY),
        409: _problems(PROBLEM, "Still running.", _KEY_IN_USE),
        **_REUSED,
    },
)
GET_PRODUCT = extend_schema(
    operation_id="get_product",
    summary="One product",
    tags=["products"],
    parameters=[_PRODUCT_ID],
    responses={200: _answer(shapes.ProductOut, "The product.", product=_KEYBOARD), **_NO_PRODUCT},
)
RESTOCK_PRODUCT = extend_schema(
    operation_id="restock_product",
    summary="Add units of a product",
    tags=["products"],
    parameters=[_PRODUCT_ID, IDEMPOTENCY_KEY],
    request=shapes.RestockIn,
    examples=[_body("restock", {"quantity": 5})],
    responses={
        200: _answer(shapes.ProductOut, "The product as it is now.", product={"id": 7, **_WEBCAM, "stock": 30}),
        400: _problems(PROBLEM, "Bad input.", _invalid("quantity", _TOO_SMALL.format(least=1)), _MALFORMED, _BAD_KEY),
        **_NO_PRODUCT,
        409: _problems(
            PROBLEM,
            "Too many, or still running.",
            _sentence("stock_limit_reached", "Product 7 cannot have more than 1000000000000 units", product_id=7),
            _KEY_IN_USE,
        ),
        **_REUSED,
    },
)
GET_RESERVATION = extend_schema(
    operation_id="get_reservation",
    summary="One reservation",
    tags=["reservations"],
    parameters=[_RESERVATION_ID],
    responses={
        200: _answer(shapes.ReservationOut, "The reservation.", held=_HELD, tombstone=_TOMBSTONE),
        **_NO_RESERVATION,
    },
)
PUT_RESERVATION = extend_schema(
    operation_id="put_reservation",
    summary="Hold stock: all of it or nothing; safe to repeat",
    tags=["reservations"],
    parameters=[_RESERVATION_ID],
    request=shapes.ReservationIn,
    examples=[_body("reservation", _WANTED)],
    responses={
        201: _answer(shapes.ReservationOut, "Held.", held=_HELD),
        200: _answer(shapes.ReservationOut, "Was there already, with the same items.", held=_HELD),
        400: _problems(PROBLEM, "Bad input.", _invalid("items.0.quantity", _TOO_SMALL.format(least=1)), _MALFORMED),
        404: _problems(
            _LINE_PROBLEM,
            "A product does not exist, or the id is malformed.",
            _sentence("product_not_found", "Product 99 not found", product_id=99, items=_LINES[:1]),
            _sentence("reservation_not_found", "Reservation not found"),
        ),
        409: _problems(
            _LINE_PROBLEM,
            "Too little stock, or released before.",
            _sentence("out_of_stock", "Product 2 is out of stock", product_id=2, items=_LINES),
            _RELEASED,
        ),
        422: problem("The id has other items.", "Reservation exists with other items", "reservation_items_differ"),
    },
)
DELETE_RESERVATION = extend_schema(
    operation_id="delete_reservation",
    summary="Give the stock back, once; an id that is not known yet is refused from now on",
    tags=["reservations"],
    parameters=[_RESERVATION_ID, _RETURN],
    responses={
        204: OpenApiResponse(description="Released, now or before."),
        400: _problems(PROBLEM, "Bad parameter.", _invalid("return", '"maybe" is not a valid choice.')),
        **_NO_RESERVATION,
        409: _problems(
            PROBLEM,
            "Sold, or needed by its order.",
            _sentence("reservation_confirmed", "Reservation is confirmed; its stock comes back only with ?return=true"),
            _sentence("order_needs_stock", "The order of this reservation needs its stock; cancel the order"),
        ),
        503: _problems(
            PROBLEM,
            "Sold, and the order service cannot be asked whether it was refunded; or too much at the same time.",
            _sentence("order_service_unavailable", "Order service unavailable"),
            _sentence("overloaded", "Too many requests at the same time"),
        ),
    },
)
CONFIRM_RESERVATION = extend_schema(
    operation_id="confirm_reservation",
    summary="The held stock is sold; safe to repeat",
    tags=["reservations"],
    parameters=[_RESERVATION_ID, IDEMPOTENCY_KEY],
    request=None,
    responses={
        200: _answer(shapes.ReservationOut, "Sold, now or before.", confirmed={**_HELD, "status": "CONFIRMED"}),
        400: _problems(PROBLEM, "Bad input.", _BAD_KEY, _MALFORMED),
        **_NO_RESERVATION,
        409: _problems(PROBLEM, "Released, or still running.", _RELEASED, _KEY_IN_USE),
        **_REUSED,
    },
)
CONFIRM_RESERVATIONS = extend_schema(
    operation_id="confirm_reservations",
    summary="The held stock of many reservations is sold, each answered by itself; safe to repeat",
    tags=["reservations"],
    parameters=[IDEMPOTENCY_KEY],
    request=shapes.ConfirmIn,
    examples=[_body("two", {"ids": [_HELD["id"], "unknown-1"]})],
    responses={
        200: _answer(
            shapes.ConfirmedManyOut,
            "What became of each: sold, now or before, or why not.",
            two={
                "items": [
                    {"id": _HELD["id"], "status": "CONFIRMED"},
                    {"id": "unknown-1", **_sentence("reservation_not_found", "Reservation not found")},
                ]
            },
        ),
        400: _problems(
            PROBLEM,
            "Bad input.",
            _invalid("ids", "Ensure this field has no more than 100 elements."),
            _MALFORMED,
            _BAD_KEY,
        ),
        409: _problems(PROBLEM, "Still running.", _KEY_IN_USE),
        **_REUSED,
    },
)
