"""The shapes of requests and answers."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from order_service.orders.ports import LineAsked
from order_service.orders.states import Status, Step
from order_service.orders.writes import NewOrder
from servicekit.operations.checks import VERDICTS
from servicekit.texts import is_blank
from servicekit.web.fields import (
    MAX_ID,
    BodyIn,
    BoundedListField,
    CurrencyField,
    FreeTextField,
    MoneyOutField,
    OptionalBodyIn,
    QueryIn,
    QueryIntegerField,
    QueryMomentField,
    StrictCharField,
    StrictIntegerField,
    ascii_upper,
    parsed,
)
from servicekit.web.paging import PagedIn, PageOut

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 1000
MAX_PER_PAGE: Final = 200
# Deeper pages cost the database more than anybody's patience is worth; narrow the filters instead.
MAX_PAGE: Final = 1_000_000
# Ten years: longer than any order is kept, and within what a date can hold.
MAX_UNFINISHED_FOR_S: Final = 315_360_000

REQUIRED: Final = "customer_name and product_ids required"


class ItemIn(BodyIn):
    product_id = StrictIntegerField(min_value=1, max_value=MAX_ID)
    quantity = StrictIntegerField(min_value=1, max_value=MAX_QUANTITY)


class PaymentMethodField(StrictCharField):
    """A payment method of the `PAYMENT_METHODS` setting, in capitals or not (ASCII only)."""

    default_error_messages = {"unknown": "Unknown payment method."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=32, **options)

    def to_internal_value(self, data: Any) -> str:
        method = ascii_upper(super().to_internal_value(data))
        if method not in settings.PAYMENT_METHODS:
            self.fail("unknown")
        return method


class PaymentMethodDetailsIn(BodyIn):
    token = FreeTextField(max_length=255, help_text="The gateway's token. Never card data: it would be ignored.")


class PlaceOrderIn(BodyIn):
    """A new order: `product_ids`, where a repeated id means that many units, or `items`."""

    customer_name = FreeTextField(max_length=255)
    product_ids = BoundedListField(
        child=StrictIntegerField(min_value=1, max_value=MAX_ID), max_length=MAX_LINES, min_length=1, required=False
    )
    items = BoundedListField(child=ItemIn(), max_length=MAX_LINES, min_length=1, required=False)
    payment = serializers.ChoiceField(["now", "later"], default="now")
    payment_method = PaymentMethodField(required=False)
    method = PaymentMethodField(required=False, help_text="Another name of `payment_method`.")
    payment_method_details = PaymentMethodDetailsIn(required=False, allow_null=True)
    currency = CurrencyField(required=False, help_text="One of the catalogue's; its first where none is named.")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (_is_empty(data.get("customer_name")) or _names_no_product(data)):
            raise serializers.ValidationError({"non_field_errors": [REQUIRED]}, code="missing_fields")
        return super().to_internal_value(data)

    def validate_currency(self, currency: str) -> str:
        if currency not in settings.ORDER_CURRENCIES:
            raise serializers.ValidationError(f"Prices are in {', '.join(settings.ORDER_CURRENCIES)}.")
        return currency

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "product_ids" in attrs and "items" in attrs:
            raise serializers.ValidationError({"items": ["Give either product_ids or items, not both."]})
        for line in (lines := _merged(attrs)):
            if line.quantity > MAX_QUANTITY:
                raise serializers.ValidationError({"items": [f"At most {MAX_QUANTITY} units of one product."]})
        return {**attrs, "lines": lines, "method": _payment_method(attrs)}

    @classmethod
    def read(cls, data: Any) -> NewOrder:
        """The order that a body asks for.

        Raises:
            ValidationError: naming the field.
        """
        asked = parsed(cls, data)
        return NewOrder(
            customer_name=asked["customer_name"],
            lines=asked["lines"],
            currency=asked.get("currency", settings.ORDER_CURRENCIES[0]),
            pay_later=asked["payment"] == "later",
            payment_method=asked["method"],
            payment_token=(asked.get("payment_method_details") or {}).get("token", ""),
        )


class CancelIn(OptionalBodyIn):
    # An order is cancelled as a whole: what was meant to be a part of it must not become all of it.

    def to_internal_value(self, data: Any) -> Any:
        parts = [name for name in ("amount", "items", "product_ids") if isinstance(data, dict) and name in data]
        if parts:
            raise serializers.ValidationError(dict.fromkeys(parts, "An order is cancelled as a whole."))
        return super().to_internal_value(data)


class OrderItemOut(serializers.Serializer[Any]):
    product_id = serializers.IntegerField()
    name = serializers.CharField(allow_null=True, help_text="null when the product was not found")
    quantity = serializers.IntegerField()
    unit_price = MoneyOutField(allow_null=True)
    line_total = MoneyOutField(allow_null=True, help_text="null also where it has more digits than an amount can have")


class NextActionOut(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["redirect"])
    url = serializers.CharField(help_text="Where the payer confirms the payment, in a browser.")
    expires_at = serializers.DateTimeField(help_text="When it is called off.")


class OrderOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.IntegerField(help_text="The order number for people.")
    customer_name = serializers.CharField()
    items = OrderItemOut(many=True)
    total_amount = MoneyOutField()
    currency = serializers.CharField(help_text="ISO 4217")
    status = serializers.ChoiceField([status.value for status in Status])
    cancellation_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when an unpaid order keeps its stock.")
    payment_status = serializers.CharField(allow_null=True, help_text="In the payment service's words.")
    refunded_amount = MoneyOutField(help_text="How much of the money went back so far.")
    refund_blocked = serializers.CharField(
        required=False,
        help_text="Why the gateway refuses for good to give the money back; a person has to see to it. Else not there.",
    )
    next_action = NextActionOut(
        required=False, help_text="What the payer has to do before the order can be paid. Else not there."
    )


class CancelledOrderOut(OrderOut):
    error = serializers.CharField(help_text="The cancellation reason.")
    code = serializers.CharField()


class OrderListOut(PageOut):
    items = OrderOut(many=True)


class ShowOrderIn(QueryIn):
    """How an order is to be shown."""

    live = serializers.BooleanField(
        default=True, help_text="false: `payment_status` is the last one known; the payment service is not asked."
    )


class OrderListIn(PagedIn):
    """The list's query parameters. A wrong one is refused, never ignored."""

    of = "orders"

    status = serializers.ChoiceField([status.value for status in Status], required=False)
    unfinished_for = QueryIntegerField(
        min_value=0,
        max_value=MAX_UNFINISHED_FOR_S,
        required=False,
        help_text="Seconds: only orders that have had something left to do for so long, whatever was tried meanwhile.",
    )
    customer_name = FreeTextField(max_length=255, required=False)
    created_after = QueryMomentField(required=False, help_text="At that moment or later.")
    created_before = QueryMomentField(required=False, help_text="Before that moment.")
    page = QueryIntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="1 where neither is given.")
    per_page = QueryIntegerField(min_value=1, max_value=MAX_PER_PAGE, default=20)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = {name: value for name, value in attrs.items() if name not in ("page", "per_page", "cursor")}
        place = self.place(attrs, filters=filters)
        return {"place": place, "unfinished_for": filters.pop("unfinished_for", None), "filters": filters}


# Not a class, because a serializer's own `data` is something else.
EVENT_OUT: Final = inline_serializer(
    "OrderEvent",
    {
        "sequence": serializers.IntegerField(help_text="Rises with each event; may skip numbers."),
        "type": serializers.CharField(),
        "created_at": serializers.DateTimeField(),
        "actor": serializers.CharField(
            allow_null=True,
            help_text="Who caused it: the name of an API key or of a user of the admin; anonymous, worker, consumer or "
            "command. Null: from before that was kept.",
        ),
        "data": serializers.DictField(help_text="Which attempt, why, which amounts: depends on the type."),
    },
    many=True,
)
PROGRESS_OUT: Final = inline_serializer(
    "OrderProgress",
    {
        "step": serializers.ChoiceField([step.value for step in Step], help_text="What has been committed."),
        "attempt": serializers.IntegerField(help_text="Payment attempts begun."),
        "retry_count": serializers.IntegerField(help_text="Times a worker could not finish the present step."),
        "pay_later": serializers.BooleanField(),
        "payment_method": serializers.CharField(allow_null=True),
        "due_at": serializers.DateTimeField(
            allow_null=True,
            help_text="When a worker takes it up: end of a lease, next try, expiry. Null: never.",
        ),
        "unfinished_since": serializers.DateTimeField(allow_null=True, help_text="Null: nothing is left to do."),
        "recheck_at": serializers.DateTimeField(
            allow_null=True, help_text="When the payment service is asked again, of which there is news."
        ),
        "invariants": VERDICTS,
    },
)
EVENTS_OUT: Final = inline_serializer("OrderTrail", {"items": EVENT_OUT})


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and is_blank(value))


def _names_no_product(data: dict[str, Any]) -> bool:
    return all(data.get(name) is None or data.get(name) == [] for name in ("product_ids", "items"))


def _payment_method(attrs: dict[str, Any]) -> str:
    """By either name; empty where none is named, and the payment service decides."""
    named: set[str] = {attrs[name] for name in ("payment_method", "method") if name in attrs}
    if len(named) > 1:
        raise serializers.ValidationError({"method": ["Is the same field as payment_method, and they differ."]})
    return named.pop() if named else ""


def _merged(attrs: dict[str, Any]) -> list[LineAsked]:
    """One line per product, in the order in which the products were first named."""
    quantities: dict[int, int] = {}
    for product_id in attrs.get("product_ids", ()):
        quantities[product_id] = quantities.get(product_id, 0) + 1
    for item in attrs.get("items", ()):
        quantities[item["product_id"]] = quantities.get(item["product_id"], 0) + item["quantity"]
    return [LineAsked(product_id, quantity) for product_id, quantity in quantities.items()]
