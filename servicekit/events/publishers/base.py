"""Where events go: what every publisher promises, and the one that needs no broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from django.utils.module_loading import import_string

from servicekit.events.outbox import Waiting
from servicekit.settings.kafka import KafkaSettings

log = structlog.get_logger()


@dataclass(frozen=True)
class Refusal:
    """Why an event was not taken.

    Attributes:
        error: A fixed name, of which there are few.
        is_permanent: It will never be taken as it is; or, of several that were handed over together, one of them.
    """

    error: str
    detail: str
    is_permanent: bool


@dataclass(frozen=True)
class Outcome:
    """What became of events, by position."""

    acknowledged: Sequence[int] = ()
    refused: Mapping[int, Refusal] = field(default_factory=dict)


class Publisher(Protocol):
    """Where events go."""

    @property
    def outstanding(self) -> int:
        """How many were handed over and have no outcome yet."""
        ...

    def publish_in_order(self, events: Sequence[Waiting], *, leave: int, within_s: float) -> Outcome:
        """Hand events over, and wait until no more than `leave` are outstanding.

        Those of one aggregate are taken in the order given: behind one that is refused, none of the same is taken
        before it is handed over again. Some may not even be handed over, when one before them is refused.

        Returns:
            What has become known since the last call, of earlier events, too.
        """
        ...

    def forget(self) -> None:
        """Stop what is outstanding, as far as that is possible still, and tell nothing of it any more."""
        ...


class LogPublisher:
    """Where no broker is configured. The log has a line for each change from its commit, with the type and the ids of
    its event; so this one's lines, without the data, are at DEBUG.
    """

    outstanding = 0

    def publish_in_order(self, events: Sequence[Waiting], *, leave: int, within_s: float) -> Outcome:
        for event in events:
            log.debug(
                "event.published",
                event_id=event.event_id,
                type=event.type,
                subject=event.aggregateid,
                sequence=event.sequence,
            )
        return Outcome(acknowledged=[event.position for event in events])

    def forget(self) -> None:
        """Nothing is ever outstanding."""


def publisher(kafka: KafkaSettings, *, source: str, key: str | None = None) -> Publisher:
    """The one that the settings ask for.

    Args:
        source: The name of the service, for consumers to tell whose event it is.
        key: The field of an event's data that events are kept in order by; None for their aggregate's own id.
    """
    if not kafka:
        return LogPublisher()
    # By its name, so that a service without Kafka never loads its client.
    made: Publisher = import_string("servicekit.events.publishers.kafka.KafkaPublisher")(kafka, source=source, key=key)
    return made
