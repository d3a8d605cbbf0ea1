"""Checking the event store: by itself, and for one aggregate after another."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

from django.db.models.functions import Now

from servicekit import exactjson
from servicekit.events.models import Event
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches

EVENTS_IN_ORDER: Final = Invariant(
    "I5",
    "events_are_in_order",
    "A row's events carry rising versions, none above the row's own, in the order in which they were written, and are "
    "published in that order.",
    "Something wrote an event outside the one door that moves a row, or an event was lost: compare the trail with the "
    "log of that time, and do not replay the outbox before that is understood.",
)
NO_EVENT_WITHOUT_ITS_ROW: Final = Invariant(
    "I5",
    "no_event_without_its_row",
    "Whatever an event tells of is in the database.",
    "A row was deleted by hand, or restored from an older backup than the events: find it in the backups.",
)
EVENTS_ARE_PUBLISHED: Final = Invariant(
    "I6",
    "events_are_published",
    "No committed event waits longer than --quiet-for to be published.",
    "The relay does not run or cannot reach its broker: start the worker (manage.py worker) and read its log. Or the "
    "broker refuses it for good: manage.py dead_letters.",
)

# Gives those of the ids that there are.
Existing = Callable[[Collection[str]], Collection[str]]


@dataclass(frozen=True)
class StoredEvent:
    """One event, its payload read; `data` is None where it is no JSON object."""

    position: int
    sequence: int
    type: str
    data: Mapping[str, Any] | None
    event: Event


def events_by_aggregate(aggregate_type: str, aggregate_ids: Iterable[str]) -> Mapping[str, list[StoredEvent]]:
    """The events of each of these, oldest first. Readers of the index: the unique (type, id, sequence)."""
    found: dict[str, list[StoredEvent]] = defaultdict(list)
    events = Event.objects.filter(aggregatetype=aggregate_type, aggregateid__in=list(aggregate_ids))
    for event in events.order_by("aggregateid", "sequence").iterator():
        found[event.aggregateid].append(
            StoredEvent(event.position, event.sequence, event.type, exactjson.object_in(event.payload), event)
        )
    return found


def check_order(subject: str, events: Sequence[StoredEvent], *, version: int) -> Iterator[Finding]:
    """Whether one row's events are what they must be by themselves."""
    for earlier, later in pairwise(events):
        if later.position < earlier.position:
            message = f"event {later.sequence} ({later.type}) was written before event {earlier.sequence}"
            yield Finding(EVENTS_IN_ORDER, subject, message)
        if later.event.published_at is not None and earlier.event.published_at is None:
            message = f"event {later.sequence} ({later.type}) is published, event {earlier.sequence} before it is not"
            yield Finding(EVENTS_IN_ORDER, subject, message)
    for each in events:
        if each.data is None:
            yield Finding(EVENTS_IN_ORDER, subject, f"event {each.sequence} ({each.type}) has no readable payload")
    if events and events[-1].sequence > version:
        message = f"its last event is number {events[-1].sequence} ({events[-1].type}), the row is only at {version}"
        yield Finding(EVENTS_IN_ORDER, subject, message)


def event_pass(existing: Mapping[str, Existing], *, quiet_for_s: float) -> Pass:
    """All events, whatever they tell of.

    Args:
        existing: For each type of aggregate, which of some ids there are.
    """
    rows = Event.objects.annotate(looked_at=Now())
    check_batch = partial(_check_batch, existing=existing, quiet_for=timedelta(seconds=quiet_for_s))
    return Pass("events", (NO_EVENT_WITHOUT_ITS_ROW, EVENTS_ARE_PUBLISHED), lambda: check_in_batches(rows, check_batch))


def _check_batch(events: Sequence[Any], *, existing: Mapping[str, Existing], quiet_for: timedelta) -> Iterator[Finding]:
    ids: dict[str, set[str]] = defaultdict(set)
    for event in events:
        ids[event.aggregatetype].add(event.aggregateid)
    known = {kind: set(existing[kind](some)) if kind in existing else set() for kind, some in ids.items()}
    for event in events:
        subject = f"{event.aggregatetype} {event.aggregateid}"
        if event.aggregateid not in known[event.aggregatetype]:
            message = f"event {event.sequence} ({event.type}) tells of it, but there is no such {event.aggregatetype}"
            yield Finding(NO_EVENT_WITHOUT_ITS_ROW, subject, message)
        if event.published_at is None and event.created_at < event.looked_at - quiet_for:
            age_s = (event.looked_at - event.created_at).total_seconds()
            message = f"event {event.sequence} ({event.type}) waits to be published for {age_s:,.0f} s"
            yield Finding(EVENTS_ARE_PUBLISHED, subject, message)
