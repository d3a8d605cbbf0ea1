"""What can be done with deliveries by hand: sending one again, all that failed, and an example."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from servicekit import errors, exactjson
from servicekit.db import purge
from servicekit.db.transactions import in_one_transaction
from servicekit.webhooks import endpoints, patterns
from servicekit.webhooks.models import Delivery, Endpoint, State

EXAMPLE_TYPE: Final = "webhook.example"


class NotFound(errors.NotFound):
    code = "delivery_not_found"

    def __init__(self) -> None:
        super().__init__("Delivery not found")


def get(endpoint: Endpoint, reference: str) -> Delivery:
    """By its id. Raises NotFound."""
    try:
        return Delivery.objects.select_related("event").get(endpoint=endpoint, uid=UUID(reference))
    except (ValueError, Delivery.DoesNotExist):
        raise NotFound from None


def resend(endpoint: Endpoint, delivery: Delivery) -> Delivery:
    """Send it now, whatever became of it, and begin its retries anew.

    Raises:
        NotEnabled: the endpoint is disabled.
    """
    _refuse_disabled(endpoint)
    _begin_anew(Delivery.objects.filter(pk=delivery.pk))
    return get(endpoint, str(delivery.uid))


@in_one_transaction
def recover(endpoint: Endpoint, since: datetime) -> int:
    """Send all again that was recorded since a moment and is dead; returns how many.

    Raises:
        NotEnabled: the endpoint is disabled.
    """
    _refuse_disabled(endpoint)
    return _begin_anew(Delivery.objects.filter(endpoint=endpoint, state=State.DEAD, created_at__gte=since))


def checked_type(event_type: str) -> str:
    """A type that a delivery can be of. Raises BadPattern for any other."""
    known = [EXAMPLE_TYPE, *patterns.known()]
    if event_type not in known:
        sentence = f"{event_type!r} is no type of event here. There are: {', '.join(known)}"
        raise patterns.BadPattern(sentence, name="type")
    return event_type


def send_example(endpoint: Endpoint, event_type: str = EXAMPLE_TYPE, *, uid: UUID | None = None) -> Delivery:
    """Send a message that tells of no event, of a type that there is; whether or not the endpoint asks for it.

    Raises:
        NotEnabled: the endpoint is disabled.
        BadPattern: this is no type.
    """
    _refuse_disabled(endpoint)
    made = Delivery(endpoint=endpoint, type=checked_type(event_type), subject="example", due_at=Now())
    if uid is not None:
        made.uid = uid
    Delivery.objects.bulk_create([made], ignore_conflicts=True)
    return get(endpoint, str(made.uid))


def body_of(delivery: Delivery, *, limit: int) -> bytes:
    """What is sent: `type`, `timestamp`, `subject`, `sequence`, `data`. With `data` too long for the limit it is
    null, and `data_omitted` says so: whoever wants it asks for what `subject` names.
    """
    event = delivery.event
    if event is None:
        said: dict[str, Any] = {
            "type": delivery.type,
            "timestamp": exactjson.utc_text(delivery.created_at),
            "subject": delivery.subject,
            "sequence": 0,
            "data": {"example": True},
        }
        return exactjson.encode(said)
    about = {
        "type": event.type,
        "timestamp": exactjson.utc_text(event.created_at),
        "subject": event.aggregateid,
        "sequence": event.sequence,
    }
    # The payload as it is stored, and as Kafka has it: to the letter.
    body = exactjson.encode(about)[:-1] + b',"data":' + event.payload.encode() + b"}"
    if len(body) < limit:
        return body
    return exactjson.encode({**about, "data": None, "data_omitted": True})


def message_id_of(delivery: Delivery) -> str:
    """The same at each attempt: the event's id, by which a receiver knows what it has had already."""
    return str(delivery.uid if delivery.event is None else delivery.event.event_id)


def of(endpoint: Endpoint) -> QuerySet[Delivery]:
    """The log of an endpoint, the newest first."""
    return Delivery.objects.filter(endpoint=endpoint).select_related("event").order_by("-number")


def ahead_of(subject: Any, endpoint: Any, event: Any) -> QuerySet[Delivery]:
    """What an ordered delivery waits behind: deliveries of earlier events of the same order."""
    return Delivery.objects.filter(subject=subject, endpoint=endpoint, event__lt=event, state=State.WAITING)


def waits_its_turn(delivery: Delivery) -> bool:
    """Whether its endpoint asks for order, and something is ahead of it."""
    ahead = ahead_of(delivery.subject, delivery.endpoint, delivery.event)
    return delivery.endpoint.is_ordered and delivery.event is not None and ahead.exists()


def purge_once(kept_s: float) -> int:
    """Forget what ended longer ago than the log is kept, with its attempts; return how many."""
    return purge.delete_older(Delivery.objects.all(), "ended_at", than_s=kept_s)


def _begin_anew(chosen: QuerySet[Delivery]) -> int:
    return chosen.update(state=State.WAITING, reason="", due_at=Now(), failures=0, ended_at=None)


def _refuse_disabled(endpoint: Endpoint) -> None:
    if not endpoint.is_enabled:
        raise endpoints.NotEnabled


def attempts_of(delivery: Delivery) -> Iterator[dict[str, Any]]:
    """Every attempt, oldest first."""
    for each in delivery.attempts.order_by("number"):
        yield {
            "at": exactjson.utc_text(each.at),
            "status": each.status,
            "duration_ms": each.duration_ms,
            "answer": each.answer,
            "problem": each.problem or None,
        }
