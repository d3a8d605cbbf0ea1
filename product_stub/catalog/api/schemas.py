"""The wire shapes: what comes in is checked here, what goes out is written here.

The `...Out` serializers describe answers in the OpenAPI document; the answers themselves are plain dicts, which the
functions beside them make.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from product_stub.catalog import lines
from product_stub.catalog.models import Product, Reservation
from product_stub.catalog.states import Status
from servicekit import money
from servicekit.errors import ServiceError
from servicekit.web.fields import (
    MAX_ID,
    BodyIn,
    BoundedListField,
    FreeTextField,
    MoneyInField,
    MoneyOutField,
    QueryIn,
    QueryIntegerField,
    StrictCharField,
    StrictIntegerField,
    parsed,
)
from servicekit.web.paging import Listed, PagedIn, PageOut, Place

MAX_LINES: Final = 100
# A thousand times the largest order line; with MAX_LINES of them the sum is still a small number.
MAX_LINE_QUANTITY: Final = 1_000_000
# Per request; what a product may have in all is the model's MAX_SUPPLIED.
MAX_ADDED: Final = 10**9
DEFAULT_PER_PAGE: Final = 50
MAX_PER_PAGE: Final = 200
# Reservations that one request confirms: a body of a few kilobytes, and one short transaction.
MAX_CONFIRMED: Final = 100
# Enough for any catalogue; keeps the offset inside a BIGINT.
MAX_PAGE: Final = 10**9


@extend_schema_field(
    {
        "anyOf": [
            {"type": "number", "minimum": 0.01, "maximum": float(money.MAX_AMOUNT)},
            {"type": "string", "pattern": r"^(?!0*(\.0*)?$)[0-9]{1,10}(\.[0-9]{1,2})?$"},
        ]
    }
)
class PriceInField(MoneyInField):
    """A price on its way in: an amount of at least one cent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=money.CENT, **options)


class ProductIn(BodyIn):
    name = FreeTextField(max_length=255)
    price = PriceInField()
    stock = StrictIntegerField(min_value=0, max_value=MAX_ADDED)


class RestockIn(BodyIn):
    quantity = StrictIntegerField(min_value=1, max_value=MAX_ADDED)


class LineIn(BodyIn):
    product_id = StrictIntegerField(min_value=1, max_value=MAX_ID)
    quantity = StrictIntegerField(min_value=1, max_value=MAX_LINE_QUANTITY)


class ReservationIn(BodyIn):
    items = BoundedListField(child=LineIn(), min_length=1, max_length=MAX_LINES)


_RESERVATION_ID: Final = RegexValidator(r"\A[A-Za-z0-9-]+\Z", "Not a reservation's id.")


class ConfirmIn(BodyIn):
    ids = BoundedListField(
        child=StrictCharField(max_length=64, trim_whitespace=False, validators=[_RESERVATION_ID]),
        min_length=1,
        max_length=MAX_CONFIRMED,
    )


class ReleaseIn(QueryIn):
    """A method, because `return` cannot be the name of a class attribute."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"return": serializers.ChoiceField(choices=["true", "false"], default="false")}


class PageIn(PagedIn):
    of = "products"

    page = QueryIntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="1 where neither is given.")
    per_page = QueryIntegerField(min_value=1, max_value=MAX_PER_PAGE, default=DEFAULT_PER_PAGE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"place": self.place(attrs, filters={})}


def parse_wanted(data: object) -> dict[int, int]:
    """Quantity by product id, in request order; a product that is named twice is wanted in both quantities."""
    return lines.merge((line["product_id"], line["quantity"]) for line in parsed(ReservationIn, data)["items"])


def parse_ids(data: object) -> list[str]:
    """The reservations' ids, in request order; one that is named twice is one."""
    return list(dict.fromkeys(parsed(ConfirmIn, data)["ids"]))


def parse_return(data: object) -> bool:
    """Whether `?return=true` was asked for."""
    return bool(parsed(ReleaseIn, data)["return"] == "true")


class ProductOut(serializers.Serializer[Any]):
    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField()
    price = MoneyOutField()
    stock = serializers.IntegerField(min_value=0, help_text="Units that can be reserved now.")


class ProductPageOut(PageOut):
    items = ProductOut(many=True)


class LineOut(serializers.Serializer[Any]):
    product_id = serializers.IntegerField(min_value=1)
    name = serializers.CharField()
    unit_price = MoneyOutField()
    quantity = serializers.IntegerField(min_value=1)


class ReservationOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    items = LineOut(many=True, help_text="In the order of the request; prices as they were when it was made.")


class ConfirmedOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.ChoiceField(
        choices=[Status.CONFIRMED.value], required=False, help_text="Only of one that is sold."
    )
    error = serializers.CharField(required=False, help_text="Why this one is not sold.")
    code = serializers.CharField(required=False, help_text="The same, for programs.")


class ConfirmedManyOut(serializers.Serializer[Any]):
    items = ConfirmedOut(many=True, help_text="One for each id, in the order of the request.")


def product_body(product: Product) -> dict[str, Any]:
    return {
        "id": product.pk,
        "name": product.name,
        "price": money.two_decimals(product.price),
        "stock": product.stock,
    }


def page_body(place: Place, listed: Listed[Product]) -> dict[str, Any]:
    return place.body(listed, [product_body(product) for product in listed.rows])


def confirmed_body(answers: Mapping[str, Reservation | ServiceError]) -> dict[str, Any]:
    """Each id with what became of it."""
    return {
        "items": [
            {"id": reservation_id, "error": answer.message, "code": answer.code}
            if isinstance(answer, ServiceError)
            else {"id": reservation_id, "status": str(answer.status)}
            for reservation_id, answer in answers.items()
        ]
    }


def reservation_body(reservation: Reservation) -> dict[str, Any]:
    """The lines go out as the text that they are stored as."""
    return {
        "id": reservation.uid,
        "status": str(reservation.status),
        "items": msgspec.Raw(reservation.lines_text.encode()),
    }
