"""The outbox side of the event table: what waits to be published, and how it stops waiting."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from servicekit.events.models import DeadLetter, Event

MAX_ERROR_LENGTH: Final = 500
# Up to so many runs of positions are named by their ends; more are fewer conditions as a list.
MOST_RUNS: Final = 20
# Of a UUID without its dashes.
ID_DIGITS: Final = 32
# Where reading begins: below any position.
BEFORE_ALL: Final = -(2**63)


class Waiting(NamedTuple):
    """An event, as text where that is what its reader wants."""

    position: int
    event_id: str
    aggregatetype: str
    aggregateid: str
    sequence: int
    type: str
    payload: str
    created_at: str  # ISO 8601 in UTC, with a Z
    traceparent: str | None
    actor: str | None


def sendable() -> QuerySet[Event]:
    """What may be published now: not what is dead, nor what waits behind a dead event of its own aggregate."""
    waiting = Event.objects.filter(published_at=None)
    dead = DeadLetter.objects.filter(given_up_at=None)
    # Asked for itself, because there is mostly none: the condition would cost something for each row.
    if not dead.exists():
        return waiting
    return waiting.exclude(_same_as(dead))


def read(*, after: int, limit: int) -> list[Waiting]:
    """The oldest that may be published, from the one behind the position `after`."""
    rows = sendable().filter(position__gt=after).order_by("position").values_list(*Waiting._fields)[:limit]
    # Around Django's conversions: objects of ids and times would only be made to be written out again.
    with connection.cursor() as cursor:
        cursor.execute(*rows.query.sql_with_params())
        found = cursor.fetchall()
    return [
        Waiting(position, _id_text(event_id), kind, uid, sequence, type_, payload, _time_text(created_at), *caused_by)
        for position, event_id, kind, uid, sequence, type_, payload, created_at, *caused_by in found
    ]


def _id_text(found: UUID | str) -> str:
    """An id as the driver returns it: a UUID, or its 32 digits."""
    if isinstance(found, str) and len(found) == ID_DIGITS:
        return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
    return str(found)


def _time_text(found: datetime | str) -> str:
    """A time as the driver returns it: in UTC, and said to be so or not."""
    if isinstance(found, str):
        return found.replace(" ", "T") + "Z"
    text = found.isoformat()
    return (text if found.tzinfo is None else text[: -len("+00:00")]) + "Z"


def mark(positions: Collection[int]) -> int:
    """These are published; returns how many were not known to be."""
    if not positions:
        return 0
    return Event.objects.filter(among(positions), published_at=None).update(published_at=Now())


def among(positions: Collection[int]) -> Q:
    """Whether an event is at one of these, at least one, in few words."""
    runs = _runs(positions)
    if len(runs) <= MOST_RUNS:
        return Q(*(("position__range", run) for run in runs), _connector=Q.OR)
    return Q(position__in=positions)


def _runs(positions: Collection[int]) -> list[tuple[int, int]]:
    """The (first, last) of each run of numbers without a gap: in a gap another event may yet be committed."""
    ordered = sorted(positions)
    ends = [n for n in range(1, len(ordered)) if ordered[n] != ordered[n - 1] + 1]
    return [(ordered[start], ordered[end - 1]) for start, end in pairwise([0, *ends, len(ordered)])]


def bury(errors: Mapping[int, str]) -> None:
    """These can never be published as they are: position → why."""
    letters = [DeadLetter(event_id=position, error=error[:MAX_ERROR_LENGTH]) for position, error in errors.items()]
    DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)


class DeadAndHeld(NamedTuple):
    """How many events are dead, and how many others wait behind those."""

    dead: int
    held: int


def dead_and_held(*, at_most: int) -> DeadAndHeld:
    """Each counted up to `at_most`."""
    dead = DeadLetter.objects.filter(given_up_at=None)
    how_many = dead.values("pk")[:at_most].count()
    if not how_many:
        return DeadAndHeld(0, 0)
    return DeadAndHeld(how_many, behind(dead).values("pk")[:at_most].count())


def behind(dead: QuerySet[DeadLetter]) -> QuerySet[Event]:
    """What waits behind these."""
    return Event.objects.filter(_same_as(dead), published_at=None, deadletter=None)


def _same_as(dead: QuerySet[DeadLetter]) -> Exists:
    """Events of an aggregate that one of these is of, too."""
    same = {"event__aggregatetype": OuterRef("aggregatetype"), "event__aggregateid": OuterRef("aggregateid")}
    return Exists(dead.filter(**same))
