"""Which events this service consumes, and what it makes of each: a mail to be sent."""

import uuid

from django.conf import settings
from django.db.models.functions import Now

from notify_service.mailing.mails import WRITERS, write
from notify_service.mailing.models import MAX_ORDER_ID_LENGTH, Mail
from servicekit.db import fast_sql
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.receive import Subscription

WRITTEN = "written"


def write_mail(event: CloudEvent) -> str:
    """Write the mail about an event; it is sent once the transaction has committed."""
    words = write(event)
    uid = uuid.uuid5(uuid.NAMESPACE_URL, f"{event.source}#{event.id}")
    about = {"order_id": words.order_id[:MAX_ORDER_ID_LENGTH], "event_id": event.id}
    fast_sql.insert(Mail(uid=uid, subject=words.subject, body=words.body, due_at=Now(), **about))
    return WRITTEN


def subscription() -> Subscription:
    """What the notify service consumes."""
    return Subscription(
        consumer="notify_service", topics=(settings.KAFKA.topic,), handlers=dict.fromkeys(WRITERS, write_mail)
    )
