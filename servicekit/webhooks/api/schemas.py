"""What a client sends about webhooks, and what it is shown."""

from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

from servicekit import exactjson
from servicekit.web.fields import (
    BodyIn,
    BoundedListField,
    FreeTextField,
    OptionalBodyIn,
    QueryIdField,
    QueryIntegerField,
    StrictCharField,
    StrictIntegerField,
)
from servicekit.web.paging import PagedIn, PageOut
from servicekit.webhooks import deliveries, endpoints, patterns
from servicekit.webhooks.models import (
    MAX_CONTACT_LENGTH,
    MAX_DESCRIPTION_LENGTH,
    MAX_SUBJECT_LENGTH,
    MAX_TYPE_LENGTH,
    MAX_URL_LENGTH,
    Delivery,
    Endpoint,
    State,
)

MAX_OVERLAP_S: Final = 30 * 24 * 3600
MAX_PAGE: Final = 100_000
MAX_PER_PAGE: Final = 200
_TYPE: Final = r"^[a-z_]+(\.[a-z_]+)*$"


class StrictBooleanField(serializers.BooleanField):
    """true or false only: no `"on"`, no 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:20])
        return data


class MomentField(serializers.DateTimeField):
    """A moment with its offset."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not value.isascii():
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        return super().to_internal_value(value)


def _url(**options: Any) -> serializers.CharField:
    return StrictCharField(
        max_length=MAX_URL_LENGTH,
        help_text="https, with a name or an address of the public Internet; networks in WEBHOOK_ALLOW too, by http.",
        **options,
    )


def _events(**options: Any) -> serializers.ListField:
    return BoundedListField(
        child=StrictCharField(max_length=MAX_TYPE_LENGTH),
        min_length=1,
        max_length=patterns.MOST,
        help_text="Types of events, or patterns: `order.paid`, `order.*`, `*`.",
        **options,
    )


class WebhookIn(BodyIn):
    """A new endpoint."""

    url = _url()
    events = _events()
    description = FreeTextField(max_length=MAX_DESCRIPTION_LENGTH, required=False, allow_blank=True)
    contact = serializers.EmailField(
        max_length=MAX_CONTACT_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Whom a mail tells that it was disabled; those in WEBHOOK_MAIL_TO where nobody is named.",
    )
    ordered = StrictBooleanField(
        default=False,
        help_text="Later events of an order wait behind one that is not delivered yet. Else they go on.",
    )
    enabled = StrictBooleanField(default=True)


class WebhookChangeIn(BodyIn):
    """What is to be another; what is left out stays."""

    url = _url(required=False)
    events = _events(required=False)
    description = FreeTextField(max_length=MAX_DESCRIPTION_LENGTH, required=False, allow_blank=True)
    contact = serializers.EmailField(max_length=MAX_CONTACT_LENGTH, required=False, allow_blank=True)
    ordered = StrictBooleanField(required=False)
    enabled = StrictBooleanField(required=False)


# What a client calls it → the column.
COLUMNS: Final = {"ordered": "is_ordered", "enabled": "is_enabled"}


class RotateIn(OptionalBodyIn):
    overlap_s = StrictIntegerField(
        min_value=0,
        max_value=MAX_OVERLAP_S,
        default=int(endpoints.OVERLAP.total_seconds()),
        help_text="For how long messages are signed with the secret before, too, in seconds.",
    )


class ExampleIn(OptionalBodyIn):
    type = serializers.RegexField(_TYPE, max_length=MAX_TYPE_LENGTH, default=deliveries.EXAMPLE_TYPE)


class RecoverIn(BodyIn):
    since = MomentField(help_text="What was to be delivered at that moment or later.")


class DeliveryListIn(PagedIn):
    """The log's query parameters."""

    of = "deliveries"

    state = serializers.ChoiceField(State.values, required=False)
    type = StrictCharField(max_length=MAX_TYPE_LENGTH, required=False)
    subject = QueryIdField(max_length=MAX_SUBJECT_LENGTH, required=False, help_text="An order's id.")
    page = QueryIntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="1 where neither is given.")
    per_page = QueryIntegerField(min_value=1, max_value=MAX_PER_PAGE, default=20)

    def validate_type(self, value: str) -> str:
        return deliveries.checked_type(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = {name: value for name, value in attrs.items() if name in ("state", "type", "subject")}
        return {"place": self.place(attrs, filters=filters), "filters": filters}


class WebhookOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    description = serializers.CharField(allow_blank=True)
    contact = serializers.CharField(allow_blank=True)
    ordered = serializers.BooleanField()
    enabled = serializers.BooleanField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField(allow_null=True)
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="Since when no attempt has succeeded; null: the last one did."
    )
    previous_secret_until = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class WebhookWithSecretOut(WebhookOut):
    secret = serializers.CharField(help_text="`whsec_...`; shown in this answer only.")


class WebhooksOut(serializers.Serializer[Any]):
    items = WebhookOut(many=True)


class AttemptOut(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="null: there was no answer")
    duration_ms = serializers.IntegerField()
    answer = serializers.CharField(allow_blank=True, help_text="The first bytes of the answer.")
    problem = serializers.CharField(allow_null=True)


class DeliveryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    message_id = serializers.CharField(help_text="As the header `webhook-id` has it: the event's id.")
    type = serializers.CharField()
    subject = serializers.CharField(help_text="What is kept in order: the order.")
    state = serializers.ChoiceField(State.values)
    reason = serializers.CharField(allow_null=True, help_text="Why it is dead.")
    tries = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DeliveryWithAttemptsOut(DeliveryOut):
    attempts = AttemptOut(many=True)


class DeliveriesOut(PageOut):
    items = DeliveryOut(many=True)


class RecoveredOut(serializers.Serializer[Any]):
    recovered = serializers.IntegerField(help_text="How many are sent again.")


def webhook_json(endpoint: Endpoint, *, with_secret: bool = False) -> dict[str, Any]:
    """An endpoint as it is shown."""
    shown = {
        "id": str(endpoint.uid),
        "url": endpoint.url,
        "events": endpoint.events.split(),
        "description": endpoint.description,
        "contact": endpoint.contact,
        "ordered": endpoint.is_ordered,
        "enabled": endpoint.is_enabled,
        "disabled_at": exactjson.utc_text(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason or None,
        "failing_since": exactjson.utc_text(endpoint.failing_since),
        "previous_secret_until": exactjson.utc_text(endpoint.previous_secret_until),
        "created_at": exactjson.utc_text(endpoint.created_at),
        "created_by": endpoint.created_by,
    }
    return {**shown, "secret": endpoint.secret} if with_secret else shown


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is shown."""
    return {
        "id": str(delivery.uid),
        "message_id": deliveries.message_id_of(delivery),
        "type": delivery.type,
        "subject": delivery.subject,
        "state": delivery.state,
        "reason": delivery.reason or None,
        "tries": delivery.tries,
        "next_attempt_at": exactjson.utc_text(delivery.due_at),
        "created_at": exactjson.utc_text(delivery.created_at),
        "ended_at": exactjson.utc_text(delivery.ended_at),
    }
