"""Taking one message: its effect and the note that it had it commit together, or it is parked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from servicekit.db import fast_sql
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import Unavailable
from servicekit.inbox import cloudevents, parking
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.errors import Refused
from servicekit.inbox.messages import Message
from servicekit.inbox.metrics import count
from servicekit.inbox.models import Consumed, Parked
from servicekit.observability import spans

log = structlog.get_logger()

# Has the event's effect, within the caller's transaction and without the network, and returns a word for what it was.
# Raises Refused for an event that it does not understand. Whatever else it raises is tried again.
Handler = Callable[[CloudEvent], str]

# Something is away: as often as it takes. The rest is a mistake in a handler, or an event that nobody has thought of.
TRANSIENT: Final = (OperationalError, InterfaceError, Unavailable)
IGNORED: Final = "ignored"  # of no interest to this consumer
DUPLICATE: Final = "duplicate"  # had its effect before
PARKED: Final = "parked"

# One round of replaying: few enough to stop soon when asked to.
REPLAY_BATCH: Final = 50


@dataclass(frozen=True)
class Subscription:
    """Who consumes what. `consumer` is Kafka's group too: processes with the same one share the work.

    Attributes:
        handlers: By the event's type; events of other types are passed over.
    """

    consumer: str
    topics: Sequence[str]
    handlers: Mapping[str, Handler]


def receive(message: Message, subscription: Subscription) -> str:
    """Take a message, or park it; returns what became of it. Safe to repeat: the second time it is a duplicate.

    Raises whatever keeps it from being taken now, such as a database that is away. Nothing was written then.
    """
    try:
        return process(message, subscription)
    except Refused as refusal:
        parking.park(message, subscription.consumer, refusal)
        count(subscription.consumer, "", PARKED)
        return PARKED


def process(message: Message, subscription: Subscription) -> str:
    """Like `receive`, and raises Refused instead of parking."""
    event = cloudevents.parse(message.headers, message.value)
    handler = subscription.handlers.get(event.type)
    if handler is None:
        count(subscription.consumer, "", IGNORED)
        return IGNORED
    about = {"messaging.system": "kafka", "messaging.consumer.group.name": subscription.consumer, "event.id": event.id}
    with spans.root(f"consume {event.type}", "consumer", about, of=event.traceparent) as span:
        outcome = _once(event, subscription.consumer, handler)
        span.set("event.outcome", outcome)
    count(subscription.consumer, event.type, outcome)
    log.info("event.consumed", event_id=event.id, type=event.type, subject=event.subject, outcome=outcome)
    return outcome


@in_one_transaction
def _once(event: CloudEvent, consumer: str, handler: Handler) -> str:
    """The unique row decides, so of two processes that have the same event one waits for the other and does nothing."""
    try:
        with transaction.atomic():
            fast_sql.insert(Consumed(consumer=consumer, source=event.source, event_id=event.id))
    except IntegrityError:
        return DUPLICATE
    try:
        return handler(event)
    except (DataError, IntegrityError) as problem:
        # Not the database's health but what is in the event: the next time would be the same.
        raise Refused("does_not_fit", type(problem).__name__) from problem


def replay_once(subscription: Subscription, *, batch: int = REPLAY_BATCH) -> int:
    """Take parked messages again that somebody asked for, oldest first; returns how many were looked at.

    One that is taken is parked no more; one that is refused again stays, with the new reason, until asked for again.
    """
    due = Parked.objects.filter(consumer=subscription.consumer, replay_at__lte=Now()).order_by("number")[:batch]
    chosen = list(due)
    for row in chosen:
        _replay_or_leave(row, subscription)
    return len(chosen)


def _replay_or_leave(row: Parked, subscription: Subscription) -> None:
    try:
        _replay(row, subscription)
    except TRANSIENT:
        raise
    except Exception as problem:  # one message's mistake must not keep the others waiting for ever
        log.exception("consumer.handler_failed")
        parking.keep_parked(row, Refused("handler_failed", repr(problem)))


def _replay(row: Parked, subscription: Subscription) -> None:
    message = parking.message_of(row)
    try:
        with transaction.atomic():
            Parked.objects.filter(pk=row.pk).delete()
            process(message, subscription)
    except Refused as refusal:
        parking.park(message, subscription.consumer, refusal)
