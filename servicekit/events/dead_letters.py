"""Events that their broker refused for good: which there are, and what somebody may decide about them."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.db.models.functions import Now

from servicekit.db.transactions import in_one_transaction
from servicekit.events import outbox
from servicekit.events.models import DeadLetter, Event


@dataclass(frozen=True)
class Dead:
    """A dead event, and how many of its aggregate wait behind it."""

    letter: DeadLetter
    waiting: int


def listing() -> list[Dead]:
    """Oldest first, those that were given up among them."""
    letters = list(DeadLetter.objects.select_related("event"))
    aggregates = outbox.behind(DeadLetter.objects.filter(given_up_at=None)).values("aggregatetype", "aggregateid")
    counted = aggregates.annotate(count=Count("position")).order_by()
    waiting = {(each["aggregatetype"], each["aggregateid"]): each["count"] for each in counted}
    return [Dead(letter, waiting.get((letter.event.aggregatetype, letter.event.aggregateid), 0)) for letter in letters]


@in_one_transaction
def replay(position: int | None) -> int:
    """Let the relay try again: one, or all; those behind it follow. Returns how many will be tried."""
    return DeadLetter.objects.filter(_chosen(position), given_up_at=None).delete()[0]


@in_one_transaction
def give_up(position: int | None) -> int:
    """Never publish it: one, or all; those behind it go on without it. Returns how many were given up."""
    chosen = DeadLetter.objects.filter(_chosen(position), given_up_at=None)
    positions = list(chosen.values_list("pk", flat=True))
    Event.objects.filter(position__in=positions).update(published_at=Now())
    return DeadLetter.objects.filter(pk__in=positions).update(given_up_at=Now())


def _chosen(position: int | None) -> Q:
    return Q() if position is None else Q(pk=position)
