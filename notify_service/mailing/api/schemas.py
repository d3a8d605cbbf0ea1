"""The wire shapes: what is asked for is checked here, what goes out is written here.

The `...Out` serializers describe answers in the OpenAPI document; the answers themselves are plain dicts.
"""

from typing import Any, Final

from django.conf import settings
from rest_framework import serializers

from notify_service.mailing import addresses
from notify_service.mailing.models import MAX_ORDER_ID_LENGTH, Mail, State
from servicekit import exactjson
from servicekit.web.fields import QueryIdField, QueryIntegerField
from servicekit.web.paging import Listed, PagedIn, PageOut, Place

DEFAULT_PER_PAGE: Final = 20
MAX_PER_PAGE: Final = 200
MAX_PAGE: Final = 100_000


class MailListIn(PagedIn):
    of = "mails"

    order_id = QueryIdField(
        max_length=MAX_ORDER_ID_LENGTH, required=False, help_text="Mails about this order's payment."
    )
    page = QueryIntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="1 where neither is given.")
    per_page = QueryIntegerField(min_value=1, max_value=MAX_PER_PAGE, default=DEFAULT_PER_PAGE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = {name: attrs[name] for name in ("order_id",) if name in attrs}
        return {"place": self.place(attrs, filters=filters), "filters": filters}


class MailOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="Stands in the mail's Message-ID, too.")
    order_id = serializers.CharField(allow_null=True, help_text="Null: written before that was kept.")
    event_id = serializers.CharField(allow_null=True, help_text="The event that it tells of; null as before.")
    subject = serializers.CharField()
    to = serializers.CharField(
        allow_null=True,
        help_text="Whom it goes to, or went to, not to be read whole: `o***@example.org`. Null as before.",
    )
    state = serializers.ChoiceField(choices=[state.value for state in State])
    tries = serializers.IntegerField(min_value=0, help_text="How often it was handed to the mail server.")
    last_error = serializers.CharField(
        allow_null=True, help_text="What the last try that failed came to: an error's name, and no words of a server's."
    )
    next_attempt_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is tried again; while it is being sent, when another process takes it over."
    )
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True, help_text="When the mail server took it.")


class MailPageOut(PageOut):
    items = MailOut(many=True)


def mail_json(mail: Mail) -> dict[str, Any]:
    """A mail as it is shown: never its words."""
    state = mail.state
    to = mail.sent_to if state is State.SENT else addresses.masked(settings.MAIL_TO)
    return {
        "id": str(mail.uid),
        "order_id": mail.order_id or None,
        "event_id": mail.event_id or None,
        "subject": mail.subject,
        "to": to or None,
        "state": state.value,
        "tries": mail.tries,
        "last_error": mail.last_error or None,
        "next_attempt_at": exactjson.utc_text(mail.due_at),
        "created_at": exactjson.utc_text(mail.created_at),
        "sent_at": exactjson.utc_text(mail.sent_at),
    }


def page_body(place: Place, listed: Listed[Mail]) -> dict[str, Any]:
    return place.body(listed, [mail_json(mail) for mail in listed.rows])
