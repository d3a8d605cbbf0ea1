"""What `/v1/payments` takes and shows."""

from datetime import datetime, time, timezone
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.fields import (
    SAME_AS_METHOD,
    ChargeAtOnceIn,
    MethodDetailsIn,
    MethodField,
    OrderIdField,
    charge_in,
    method_in,
    next_action,
    order_id_in_path,
    order_id_on_wire,
    refuse_fractions,
)
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.use_cases.refunding import GivenBack
from payment_service.payments.writes.attempts import Asked
from servicekit import exactjson, money
from servicekit.web.fields import (
    PLUS,
    CurrencyField,
    MoneyInField,
    OptionalBodyIn,
    QueryIntegerField,
    StrictCharField,
    ascii_upper,
    has_lost_its_plus,
    parsed,
)
from servicekit.web.paging import Listed, PagedIn, Place

METHODS: Final = ("UPI", "CARD", "COD")
DEFAULT_METHOD: Final = "CARD"
MAX_PAGE: Final = 10**9
MAX_PER_PAGE: Final = 200

_MESSAGES: Final = {True: "Payment succeeded", False: "Payment failed", None: "Payment pending"}
# What each status that can be asked for means in the ledger: `taken` first, as an index begins with it.
_STATUS_LOOKUPS: Final[dict[str, dict[str, Any]]] = {
    # Not `taken=...`: for False the ORM writes NOT, which no index serves.
    **{name: {"taken__in": [True]} for name in ("SUCCESS", "TRUE")},
    **{name: {"taken__in": [False]} for name in ("FAILED", "FALSE")},
    **{
        name: {"taken": None, "status__in": {status.value for status in Status if states.CHARGES_NAMES[status] == name}}
        for name in ("PENDING", "VOIDED")
    },
}


class ChargeIn(ChargeAtOnceIn):
    """A charge as this door takes it."""

    order_id = OrderIdField()
    amount = MoneyInField()
    method = MethodField(methods=METHODS, required=False, help_text=f"Without one: {DEFAULT_METHOD}.")
    payment_method = MethodField(methods=METHODS, required=False, help_text=SAME_AS_METHOD)
    currency = CurrencyField(required=False)
    payment_method_details = MethodDetailsIn(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("currency", settings.DEFAULT_CURRENCY)
        return refuse_fractions({**attrs, "method": method_in(attrs, default=DEFAULT_METHOD)})

    @classmethod
    def read(cls, data: Any, *, uid: UUID) -> Asked:
        """The charge that a body asks for; `uid` becomes the payment's id.

        Raises:
            ValidationError: naming the field.
        """
        asked = parsed(cls, data)
        return charge_in(asked, uid=uid, method=asked["method"], notify_order=settings.ORDER_NOTICES)


class ChargeRefundIn(OptionalBodyIn):
    """What is to be given back; no amount means all that is left."""

    amount = MoneyInField(min_value=money.CENT, required=False)


@extend_schema_field(OpenApiTypes.STR)
class MomentField(serializers.Field[datetime, Any, Any, Any]):
    """A date, or a date and time (UTC where it does not say), as the moment at which it begins, or ends."""

    default_error_messages = {"invalid": "Must be a date, or a date and time, in ISO 8601.", "plus": PLUS}

    def __init__(self, *, is_end: bool, **options: Any) -> None:
        super().__init__(**options)
        self.is_end = is_end

    def to_internal_value(self, data: Any) -> datetime:
        if not data.isascii():  # Django's own patterns take the digits of any script
            self.fail("invalid")
        try:
            return self._moment(data).astimezone(timezone.utc)
        except (ValueError, OverflowError):  # a day that does not exist, or one before the first or after the last
            self.fail("plus" if has_lost_its_plus(data) else "invalid")

    def _moment(self, text: str) -> datetime:
        day = parse_date(text)
        if day is not None:
            return datetime.combine(day, time.max if self.is_end else time.min, timezone.utc)
        moment = parse_datetime(text)
        if moment is None:
            raise ValueError(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class ListIn(PagedIn):
    """The list's query parameters. A wrong one is refused, never ignored."""

    of = "payments"
    position = (datetime, int)

    page = QueryIntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="1 where neither is given.")
    per_page = QueryIntegerField(min_value=1, max_value=MAX_PER_PAGE, default=10)
    order_id = serializers.CharField(required=False)
    method = MethodField(required=False)
    payment_method = MethodField(required=False, help_text=SAME_AS_METHOD)
    status = StrictCharField(required=False)
    amount_gt = MoneyInField(required=False)
    amount_lt = MoneyInField(required=False)
    start_date = MomentField(required=False, is_end=False)
    end_date = MomentField(required=False, is_end=True)
    sort_by_created = serializers.ChoiceField(["asc", "desc"], default="desc")
    refunded = serializers.BooleanField(required=False, help_text="Whether all of it was given back.")

    def validate_order_id(self, value: str) -> str:
        canonical = order_id_in_path(value)
        if canonical is None:
            raise serializers.ValidationError(OrderIdField.default_error_messages["invalid"])
        return canonical

    def validate_status(self, value: str) -> dict[str, Any]:
        lookups = _STATUS_LOOKUPS.get(ascii_upper(value))
        if lookups is None:
            raise serializers.ValidationError("Must be SUCCESS, FAILED, PENDING or VOIDED.")
        return lookups

    def validate_refunded(self, value: bool) -> set[str]:
        return {status.value for status in Status if (status == Status.REFUNDED) is value}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = {lookup: attrs[name] for name, lookup in _LOOKUPS.items() if name in attrs}
        if method := method_in(attrs, default=""):
            filters["method"] = method
        filters |= attrs.get("status", {})
        if "refunded" in attrs:
            filters["status__in"] = attrs["refunded"] & filters.get("status__in", attrs["refunded"])
        return {
            "filters": filters,
            "ascending": attrs["sort_by_created"] == "asc",
            "place": self.place(attrs, filters={**filters, "sort_by_created": attrs["sort_by_created"]}),
        }


_LOOKUPS: Final = {
    "order_id": "order_id",
    "amount_gt": "above",
    "amount_lt": "below",
    "start_date": "created_at__gte",
    "end_date": "created_at__lte",
}


REFUND_STATUSES: Final = {True: 200, None: 202, False: 402}


def charge_body(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.number,
        "reference": payment.reference,
        "status": states.CHARGES_NAMES[Status(payment.status)],
        "message": _MESSAGES[payment.taken],
        **next_action(payment),
    }


def refund_body(refunded: GivenBack) -> dict[str, Any]:
    payment = refunded.payment
    amount = money.two_decimals(refunded.amount)
    if refunded.is_done is False:
        return {"error": refunded.refusal, "code": refunded.refusal_code, "payment_id": payment.number}
    done = "refunded" if refunded.is_done else "is being refunded"
    return {
        "payment_id": payment.number,
        "amount": amount,
        "method": payment.method,
        "message": f"Amount {amount} {done} to {payment.method}",
    }


def page_body(place: Place, listed: Listed[Payment]) -> dict[str, Any]:
    items = [item(payment) for payment in listed.rows]
    return place.body(listed, items, position=lambda payment: (payment.created_at, payment.number))


def item(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.number,
        "order_id": order_id_on_wire(payment.order_id),
        "amount": money.two_decimals(payment.amount_shown),
        "authorized_amount": money.two_decimals(payment.authorized),
        "refunded_amount": money.two_decimals(payment.refunded),
        "currency": payment.currency,
        "method": payment.method,
        "status": states.CHARGES_NAMES[Status(payment.status)],
        "reference": payment.reference,
        "created_at": exactjson.utc_text(payment.created_at),
        "refunded": payment.status == Status.REFUNDED,
    }
