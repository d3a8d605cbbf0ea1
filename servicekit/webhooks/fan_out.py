"""Who is to have which event: written down with the event's mark that it is published, so that none is left out.

The relay marks an event once it has left the outbox, in one transaction with what is recorded here. An event that the
broker keeps waiting is recorded earlier, by the deliverer: nobody's webhooks wait for Kafka. Both may record the same
event, once.
"""

from collections.abc import Collection, Sequence
from typing import Final

from django.db.models import Max, Q
from django.db.models.functions import Now

from servicekit import exactjson
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction
from servicekit.events import outbox
from servicekit.events.models import Event
from servicekit.webhooks import events, patterns
from servicekit.webhooks.models import Delivery, Endpoint

# The relay has mostly marked an event by then.
LATE_AFTER_S: Final = 2.0
# Late events that one look records.
BATCH: Final = 500


class FanOut:
    """Records deliveries.

    Args:
        key: The field of an event's data that events are kept in order by; None for their aggregate's own id.
    """

    def __init__(self, *, key: str | None = None) -> None:
        self._key = key
        self._late_to = outbox.BEFORE_ALL

    def record(self, positions: Collection[int]) -> int:
        """Write down who is to have these events; returns how many deliveries that are. Call it in a transaction."""
        asking = list(Endpoint.objects.filter(is_enabled=True).order_by().values_list("number", "events"))
        if not asking or not positions:
            return 0
        found = Event.objects.filter(outbox.among(sorted(positions))).order_by("position")
        return self._record(found, asking)

    @in_one_transaction
    def record_late(self) -> int:
        """The same for events that wait to be published: behind the last one that was looked at, or from the first."""
        asking = list(Endpoint.objects.filter(is_enabled=True).order_by().values_list("number", "events"))
        if not asking:
            return 0
        late = Event.objects.filter(published_at=None, created_at__lt=clock.seconds_from_now(-LATE_AFTER_S))
        found = list(late.filter(position__gt=self._late_to).order_by("position")[:BATCH])
        # From the first again, once all were: an event may be committed after one behind it.
        self._late_to = found[-1].position if len(found) == BATCH else outbox.BEFORE_ALL
        known = set(Delivery.objects.filter(event__in=[each.pk for each in found]).values_list("event_id", flat=True))
        return self._record([each for each in found if each.pk not in known], asking)

    def _record(self, found: Collection[Event], asking: Sequence[tuple[int, str]]) -> int:
        made = [
            Delivery(endpoint_id=number, event=event, type=event.type, subject=self._subject(event), due_at=Now())
            for event in found
            for number, asked in asking
            if patterns.matches(event.type, asked)
        ]
        Delivery.objects.bulk_create(made, ignore_conflicts=True, batch_size=BATCH)
        return len(made)

    def _subject(self, event: Event) -> str:
        if self._key is None or event.aggregatetype == events.AGGREGATE:
            return event.aggregateid
        said = exactjson.object_in(event.payload) or {}
        return str(said.get(self._key, event.aggregateid))[:64]


def settle() -> int:
    """Write down from which position on the endpoints that are new, or ask for something else, have all that they ask
    for: whatever comes behind it is recorded by somebody who knows the endpoint. Returns how many those were.
    """
    unsettled = list(Endpoint.objects.filter(asks_from=None).values_list("number", "events", "is_enabled"))
    if not unsettled:
        return 0
    last = Event.objects.aggregate(last=Max("position"))["last"] or 0
    settled = 0
    for number, asked, is_enabled in unsettled:
        as_read = Q(number=number, events=asked, is_enabled=is_enabled, asks_from=None)
        settled += Endpoint.objects.filter(as_read).update(asks_from=last)
    return settled
