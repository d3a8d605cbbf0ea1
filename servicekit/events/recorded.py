"""What the store knows of an event besides what it tells: the request that caused it, and whether its broker has it."""

from typing import Final

from django.db.models import Max, QuerySet

from servicekit.events.models import Event

# A request's events are looked for among so many, the newest: each event would pay for an index on it.
SEARCHED: Final = 100_000

WAITING: Final = "waiting"  # for the relay
PUBLISHED: Final = "published"
DEAD: Final = "dead"  # its broker refuses it for good
GIVEN_UP: Final = "given_up"  # by a person
STATES: Final = (WAITING, PUBLISHED, DEAD, GIVEN_UP)


def of_aggregate(aggregate_id: str, *, most: int) -> list[Event]:
    """Those of an order or a payment, the newest, oldest first."""
    return _newest(Event.objects.filter(aggregateid=aggregate_id), most)


def of_request(request_id: str, *, most: int) -> list[Event]:
    """Those that a request caused, oldest first, among the newest `SEARCHED`."""
    newest = Event.objects.aggregate(newest=Max("position"))["newest"] or 0
    return _newest(Event.objects.filter(position__gt=newest - SEARCHED, request_id=request_id), most)


def state_of(event: Event) -> str:
    """One of `STATES`."""
    letter = getattr(event, "deadletter", None)
    if letter is None:
        return WAITING if event.published_at is None else PUBLISHED
    return DEAD if letter.given_up_at is None else GIVEN_UP


def _newest(found: QuerySet[Event], most: int) -> list[Event]:
    return list(reversed(found.select_related("deadletter").order_by("-position")[:most]))
