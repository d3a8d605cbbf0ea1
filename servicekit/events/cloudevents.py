"""An event as a CloudEvent in Kafka's binary mode: attributes as headers, the payload as the value.

https://github.com/cloudevents/spec, version 1.0: the Kafka protocol binding and the extensions `partitionkey`,
`sequence` and `traceparent`; `actor` is ours. Written out by hand, because it is done for each event (docs/adr/0012).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from servicekit.events.outbox import Waiting

# The sequence is to be compared as text, so each is as long as the longest that its column holds.
SEQUENCE_LENGTH: Final = 10
# Aggregates that no service has of its own, so that their data lack its key.
OF_THE_PLUMBING: Final = frozenset({"webhook"})

# The producer encodes text, as UTF-8 and in C.
Headers = list[tuple[str, str | bytes | None]]


class Message(NamedTuple):
    """What goes to Kafka."""

    key: str
    value: str
    headers: Headers


class Unreadable(Exception):
    """The payload is no JSON object, or has not the field that is the key."""


def writer(*, source: str, key: str | None) -> Callable[[Waiting], Message]:
    """A function that turns events into messages, and raises `Unreadable`.

    Args:
        source: `ce_source`: a URI reference that tells whose events these are.
        key: The field of the data that is the message's key, text or a number; None for the aggregate's own id, as it
            is of events of the plumbing's own.
    """
    same: Headers = [
        ("ce_specversion", "1.0"),
        ("ce_source", source),
        ("content-type", "application/json"),
    ]
    key_of = _aggregate_id if key is None else _field(key)

    def written(event: Waiting) -> Message:
        key = event.aggregateid if event.aggregatetype in OF_THE_PLUMBING else key_of(event)
        headers = [
            *same,
            ("ce_id", event.event_id),
            ("ce_type", event.type),
            ("ce_time", event.created_at),
            ("ce_subject", event.aggregateid),
            ("ce_partitionkey", key),
            ("ce_sequence", f"{event.sequence:0{SEQUENCE_LENGTH}}"),
        ]
        if event.traceparent:
            headers.append(("ce_traceparent", event.traceparent))
        if event.actor:
            headers.append(("ce_actor", event.actor))
        return Message(key, event.payload, headers)

    return written


def _aggregate_id(event: Waiting) -> str:
    return event.aggregateid


def _field(name: str) -> Callable[[Waiting], str]:
    """Reads one field of a payload and skips the rest."""
    shape: Any = msgspec.defstruct("Data", [(name, str | int)])
    decoder = msgspec.json.Decoder(shape)

    def key_of(event: Waiting) -> str:
        try:
            return str(getattr(decoder.decode(event.payload), name))
        except (msgspec.DecodeError, UnicodeError) as problem:
            raise Unreadable(f"the payload cannot be read: {problem}") from problem

    return key_of
