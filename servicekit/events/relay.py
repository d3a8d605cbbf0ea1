"""Carries committed events to a publisher, oldest first, at least once."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from django.db.models.functions import Now

from servicekit.events.models import Event

log = structlog.get_logger()

# Small enough to mark within one short transaction, large enough that the query costs little per event.
BATCH: Final = 200


class Publisher(Protocol):
    """Where events go."""

    def publish_in_order(self, events: Sequence[Event]) -> list[int]:
        """Publish, stopping at the first failure; return the positions of those that were acknowledged."""
        ...


class LogPublisher:
    """The publisher where no broker is configured: the log. Each change has its line there from its commit, with the
    event's type and ids; so this adds one line for a batch, and at DEBUG one for each event, without its data.
    """

    def publish_in_order(self, events: Sequence[Event]) -> list[int]:
        for event in events:
            log.debug(
                "event.published",
                event_id=event.event_id,
                type=event.type,
                subject=event.aggregateid,
                sequence=event.sequence,
            )
        positions = [event.position for event in events]
        log.info("events.published", count=len(positions), first=positions[0], last=positions[-1])
        return positions


def relay_once(publisher: Publisher, *, batch: int = BATCH) -> int:
    """Publish one batch of unpublished events in order; return how many were acknowledged.

    An event is marked only after the publisher took it, so a crash in between publishes it again, never loses it.
    Run one relay per service: two would be harmless to the data, but could publish one aggregate's events out of order.
    """
    waiting = list(Event.objects.filter(published_at=None).order_by("position")[:batch])
    if not waiting:
        return 0
    acknowledged = publisher.publish_in_order(waiting)
    return Event.objects.filter(position__in=acknowledged, published_at=None).update(published_at=Now())
