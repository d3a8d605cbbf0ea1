"""An event as a CloudEvent in Kafka's binary mode: attributes as headers, the payload as the value.

https://github.com/cloudevents/spec, version 1.0: the Kafka protocol binding and the extensions `partitionkey`,
`sequence` and `traceparent`. Written out by hand, because it is done for each event (docs/adr/0012).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from servicekit.events.outbox import Waiting

# The sequence is to be compared as text, so each is as long as the longest that its column holds.
SEQUENCE_LENGTH: Final = 10

# As the producer's type wants it, though each value is bytes.
Headers = list[tuple[str, str | bytes | None]]


class Message(NamedTuple):
    """What goes to Kafka."""

    key: bytes
    value: bytes
    headers: Headers


class Unreadable(Exception):
    """The payload is no JSON object, or has not the field that is the key."""


def writer(*, source: str, key: str | None) -> Callable[[Waiting], Message]:
    """A function that turns events into messages, and raises `Unreadable`.

    Args:
        source: `ce_source`: a URI reference that tells whose events these are.
        key: The field of the data that is the message's key, text or a number; None for the aggregate's own id.
    """
    same: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("content-type", b"application/json"),
    ]
    key_of = _aggregate_id if key is None else _field(key)

    def written(event: Waiting) -> Message:
        value, key_bytes = event.payload.encode(), key_of(event)
        headers = [
            *same,
            ("ce_id", event.event_id.encode()),
            ("ce_type", event.type.encode()),
            ("ce_time", event.created_at.encode()),
            ("ce_subject", event.aggregateid.encode()),
            ("ce_partitionkey", key_bytes),
            ("ce_sequence", b"%0*d" % (SEQUENCE_LENGTH, event.sequence)),
        ]
        if event.traceparent:
            headers.append(("ce_traceparent", event.traceparent.encode()))
        return Message(key_bytes, value, headers)

    return written


def _aggregate_id(event: Waiting) -> bytes:
    return event.aggregateid.encode()


def _field(name: str) -> Callable[[Waiting], bytes]:
    """Reads one field of a payload and skips the rest."""
    shape: Any = msgspec.defstruct("Data", [(name, str | int)])
    decoder = msgspec.json.Decoder(shape)

    def key_of(event: Waiting) -> bytes:
        try:
            return str(getattr(decoder.decode(event.payload), name)).encode()
        except (msgspec.DecodeError, UnicodeError) as problem:
            raise Unreadable(f"the payload cannot be read: {problem}") from problem

    return key_of
