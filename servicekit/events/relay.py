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
    """The publisher where no broker is configured: each event is a line in the log, without what it is about."""

    def publish_in_order(self, events: Sequence[Event]) -> list[int]:
        for event in events:
            log.info(
                "event.published",
                event_id=str(event.event_id),
                type=event.type,
                subject=event.aggregateid,
                sequence=event.sequence,
            )
        return [event.position for event in events]


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
