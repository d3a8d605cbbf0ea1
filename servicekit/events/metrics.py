"""Counters made from events, and how far the outbox is behind.

Whatever process caused an event, it is counted once, and a restart loses nothing. Counting is done when somebody asks,
so it costs the writers nothing: from the place in the table up to which it was done last (`Tally`), only what is new.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.db import OperationalError
from django.db.models import Max
from prometheus_client.core import CounterMetricFamily, Metric

from servicekit import exactjson
from servicekit.db import clock
from servicekit.events.models import Event, Tally
from servicekit.events.outbox import dead_and_held, sendable
from servicekit.observability.metrics import age_s, gauge

log = structlog.get_logger()

# A transaction that commits late may bring an event in below others that are there already. After half a minute none
# comes any more: between an event's insert and its commit there is no network and no wait.
SETTLED_AFTER_S: Final = 30.0
# Below this, counting again is cheaper than keeping the result.
KEPT_FROM: Final = 1_000
# What one scrape counts at most, so that the first one over an old table is not a long one. The rest comes with the
# next ones: counters only ever rise.
MOST_AT_ONCE: Final = 100_000

Labels = tuple[str, ...]
Key = tuple[str, Labels]


@dataclass(frozen=True)
class EventCounter:
    """A counter of events. `counts` says for each type of event which labels its data give it;
    None: this one is not counted.

    Attributes:
        name: Without `_total`.
        known: Labels that are shown as 0 before there is any event with them.
    """

    name: str
    meaning: str
    counts: Mapping[str, Callable[[Mapping[str, Any]], Labels | None]]
    label_names: Labels = ()
    known: tuple[Labels, ...] = ((),)


def no_labels(_data: Mapping[str, Any]) -> Labels:
    """For a counter without any."""
    return ()


def count(counters: Iterable[EventCounter]) -> Iterator[Metric]:
    """Every counter, as of now."""
    counters = tuple(counters)
    found = _count_all(counters)
    for counter in counters:
        family = CounterMetricFamily(counter.name, counter.meaning, labels=counter.label_names)
        seen = {labels for name, labels in found if name == counter.name}
        for labels in sorted(seen.union(counter.known)):
            family.add_metric(labels, found[counter.name, labels])
        yield family


def outbox() -> Iterator[Metric]:
    """How far publishing is behind, and what it cannot publish."""
    waiting = sendable().order_by("position")
    oldest = waiting.values_list("created_at", flat=True).first()
    yield gauge("events_oldest_unsent_age_seconds", "Age of the oldest event that is to be published.", age_s(oldest))
    how_many = waiting.values("position")[:MOST_AT_ONCE].count()
    yield gauge("events_unsent", f"Events that are to be published, up to {MOST_AT_ONCE}.", how_many)
    found = dead_and_held(at_most=MOST_AT_ONCE)
    yield gauge("events_dead", "Events that the broker refused for good and nobody has decided about.", found.dead)
    yield gauge("events_held", "Events that wait behind a dead one.", found.held)


def _count_all(counters: tuple[EventCounter, ...]) -> Counter[Key]:
    kept = Tally.objects.filter(pk=Tally.ONLY).first() or Tally(position=0, counts="[]")
    found = Counter({(name, tuple(labels)): number for name, labels, number in exactjson.decode(kept.counts)})
    last = kept.position + MOST_AT_ONCE
    settled = _last_settled(kept.position, last)
    _count_between(kept.position, settled, counters, found)
    if settled - kept.position >= KEPT_FROM:
        _keep(kept.position, settled, found)
    _count_between(settled, last, counters, found)
    return found


def _last_settled(position: int, last: int) -> int:
    """Up to where nothing can be inserted any more."""
    new = Event.objects.filter(position__gt=position, position__lte=last).order_by("position")
    young = new.filter(created_at__gt=clock.seconds_from_now(-SETTLED_AFTER_S)).values_list("position", flat=True)
    first_young = young.first()
    if first_young is not None:
        return first_young - 1
    return min(last, Event.objects.aggregate(highest=Max("position"))["highest"] or position)


def _count_between(after: int, to: int, counters: tuple[EventCounter, ...], found: Counter[Key]) -> None:
    """Add the events from `after` (not included) to `to` to what was found."""
    kinds = {kind for counter in counters for kind in counter.counts}
    events = Event.objects.filter(position__gt=after, position__lte=to, type__in=kinds)
    for kind, payload in events.values_list("type", "payload").iterator():
        data = exactjson.decode(payload)
        for counter in counters:
            if kind in counter.counts and (labels := counter.counts[kind](data)) is not None:
                found[counter.name, labels] += 1


def _keep(seen: int, position: int, found: Counter[Key]) -> None:
    """Go on from here next time, unless another process has gone on already. What was found is right either way."""
    counts = exactjson.encode([[name, labels, number] for (name, labels), number in found.items()]).decode()
    try:
        if not Tally.objects.filter(pk=Tally.ONLY, position=seen).update(position=position, counts=counts):
            Tally.objects.bulk_create([Tally(position=position, counts=counts)], ignore_conflicts=True)
    except OperationalError:
        log.warning("metrics.tally_not_kept", exc_info=True)
