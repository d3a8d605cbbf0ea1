"""Writing and reading events."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from django.db import connection, transaction
from django.utils import timezone

from servicekit import exactjson
from servicekit.db import fast_sql
from servicekit.events.models import Event
from servicekit.observability import actor, request_id, tracing

log = structlog.get_logger()

_WRITTEN: Final = ("event_id", "aggregateid", "sequence", "payload", "aggregatetype", "type", "created_at")
_APPENDED: Final = (*_WRITTEN, "traceparent", "actor", "request_id")
_PUBLISHED: Final = (*_WRITTEN, "published_at", "actor")


class EventData(NamedTuple):
    """One of many events of a kind. `event_id` is a UUID's text, the rest as for `append`."""

    event_id: str
    aggregate_id: str
    sequence: int
    data: Mapping[str, Any]


class Appended(NamedTuple):
    """One of many events of a kind, as for `append`; `traceparent` is of the request that it comes from."""

    aggregate_id: str
    sequence: int
    data: Mapping[str, Any]
    traceparent: str | None = None


def append(
    event_type: str,
    *,
    aggregate_type: str,
    aggregate_id: str,
    sequence: int,
    data: Mapping[str, Any],
    is_step: bool = False,
) -> None:
    """Append an event. Call it in the transaction that makes it true; it is logged once that has committed.

    Args:
        sequence: The aggregate's version after the change.
        data: JSON-ready, amounts as `Decimal`. No card data, no tokens: it is stored and published.
        is_step: It only leads to what an operator reads of, so its line is one of DEBUG.
    """
    event = Appended(aggregate_id, sequence, data, tracing.current())
    append_all(event_type, aggregate_type=aggregate_type, events=[event], is_step=is_step)


def append_all(event_type: str, *, aggregate_type: str, events: Sequence[Appended], is_step: bool = False) -> None:
    """Append events of one kind, each of another aggregate, in the transaction that makes them true."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    who, asked = actor.current(), request_id.current()
    values = [
        (
            uuid.uuid4().hex,
            event.aggregate_id,
            event.sequence,
            exactjson.encode(event.data).decode(),
            aggregate_type,
            event_type,
            now,
            event.traceparent,
            who,
            asked,
        )
        for event in events
    ]
    fast_sql.insert_prepared(Event, _APPENDED, values)
    transaction.on_commit(partial(_log, log.debug if is_step else log.info, event_type, f"{aggregate_type}_id", events))


def _log(say: Callable[..., object], event_type: str, id_name: str, events: Sequence[Appended]) -> None:
    for event in events:
        say(event_type, sequence=event.sequence, **{id_name: event.aggregate_id})


def traceparent_of(aggregate_type: str, aggregate_id: str) -> str | None:
    """The trace in which an aggregate began, for whoever takes it up without a request."""
    of_it = Event.objects.filter(aggregatetype=aggregate_type, aggregateid=aggregate_id)
    found: str | None = of_it.order_by("sequence").values_list("traceparent", flat=True).first()
    return found


def append_published(event_type: str, *, aggregate_type: str, events: Sequence[EventData]) -> None:
    """Append events that the store must have, but that are no news to anybody: they count as published, and are not
    logged. Many at once, in the transaction that makes them true.
    """
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    same = (aggregate_type, event_type, now, now, actor.current())
    values = [
        (event_id.replace("-", ""), aggregate_id, sequence, exactjson.encode(data).decode(), *same)
        for event_id, aggregate_id, sequence, data in events
    ]
    fast_sql.insert_prepared(Event, _PUBLISHED, values)


def of(aggregate_type: str, aggregate_id: str, *, newest: int | None = None) -> list[dict[str, Any]]:
    """One aggregate's events, oldest first: `sequence`, `type`, `created_at`, `actor`, `data`. Only the `newest`."""
    found = Event.objects.filter(aggregatetype=aggregate_type, aggregateid=aggregate_id).order_by("-sequence")
    events = reversed(list(found[:newest]))
    return [
        {
            "sequence": event.sequence,
            "type": event.type,
            "created_at": exactjson.utc_text(event.created_at),
            "actor": event.actor,
            "data": exactjson.decode(event.payload),
        }
        for event in events
    ]
