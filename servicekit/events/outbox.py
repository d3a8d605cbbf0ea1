"""The outbox side of the event table: what waits to be published, and how it stops waiting."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from servicekit.events.models import DeadLetter, Event

MAX_ERROR_LENGTH: Final = 500
# Where reading begins: below any position.
BEFORE_ALL: Final = -(2**63)


class Waiting(NamedTuple):
    """An event as its row has it."""

    position: int
    event_id: UUID
    aggregatetype: str
    aggregateid: str
    sequence: int
    type: str
    payload: str
    created_at: datetime
    traceparent: str | None

    @property
    def aggregate(self) -> tuple[str, str]:
        return self.aggregatetype, self.aggregateid


def sendable() -> QuerySet[Event]:
    """What may be published now: not what is dead, nor what waits behind a dead event of its own aggregate."""
    waiting = Event.objects.filter(published_at=None)
    dead = DeadLetter.objects.filter(given_up_at=None)
    # Asked for itself, because there is mostly none: the condition would cost something for each row.
    if not dead.exists():
        return waiting
    same = {"event__aggregatetype": OuterRef("aggregatetype"), "event__aggregateid": OuterRef("aggregateid")}
    return waiting.exclude(Exists(dead.filter(**same)))


def read(*, after: int, limit: int) -> list[Waiting]:
    """The oldest that may be published, from the one behind the position `after`."""
    rows = sendable().filter(position__gt=after).order_by("position")
    return list(map(Waiting._make, rows.values_list(*Waiting._fields)[:limit]))


def mark(positions: Collection[int]) -> int:
    """These are published; returns how many were not known to be."""
    if not positions:
        return 0
    return Event.objects.filter(position__in=positions, published_at=None).update(published_at=Now())


def bury(errors: Mapping[int, str]) -> None:
    """These can never be published as they are: position → why."""
    letters = [DeadLetter(event_id=position, error=error[:MAX_ERROR_LENGTH]) for position, error in errors.items()]
    DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)


def counts(*, at_most: int) -> dict[str, int]:
    """How many are dead, and how many of the others wait behind those."""
    dead = DeadLetter.objects.filter(given_up_at=None)
    many: dict[str, Any] = {"dead": dead.values("pk")[:at_most].count(), "held": 0}
    if many["dead"]:
        same = {"event__aggregatetype": OuterRef("aggregatetype"), "event__aggregateid": OuterRef("aggregateid")}
        behind = Event.objects.filter(Exists(dead.filter(**same)), published_at=None, deadletter=None)
        many["held"] = behind.values("pk")[:at_most].count()
    return many
