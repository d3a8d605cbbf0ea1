"""CloudEvents 1.0 as they come over Kafka in binary mode: attributes in `ce_*` headers, the payload as the value.

See the CloudEvents specification and its Kafka protocol binding, both version 1.0.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from servicekit import exactjson
from servicekit.inbox.errors import Refused
from servicekit.inbox.messages import Headers
from servicekit.observability import tracing

SPECVERSION: Final = "1.0"
# What a column of `Consumed` holds. Nobody's ids are that long.
MAX_LENGTH: Final = 255
# No payload of ours has more than three levels; a deep one is an attack on whoever walks it.
MAX_DEPTH: Final = 32

_JSON: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.ASCII)
_PREFIX: Final = "ce_"


@dataclass(frozen=True)
class CloudEvent:
    """One event. `source` and `id` together name it; the same pair again is the same event, delivered twice.

    Attributes:
        type: `payment.refunded`.
        subject: What it is about, within `source`; empty where it does not say.
        time: When it happened.
        partition_key: Events with the same one keep their order.
        sequence: Rises with each event about the same subject, may skip numbers.
        data: The payload, amounts as `Decimal`.
        traceparent: The trace that it belongs to; None without a sound one.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime | None
    partition_key: str
    sequence: int | None
    data: Mapping[str, Any]
    traceparent: str | None = None


def parse(headers: Headers, value: bytes | None) -> CloudEvent:
    """Read a message.

    Raises Refused: it is no CloudEvent, or no JSON object; no repetition can help.
    """
    attributes = _attributes(headers)
    if attributes.get("specversion") != SPECVERSION:
        raise Refused("not_a_cloudevent", f"ce_specversion is {attributes.get('specversion')!r}, not {SPECVERSION!r}")
    content_type = attributes.get("datacontenttype", "application/json")
    if not _JSON.fullmatch(content_type):
        raise Refused("not_json", f"content-type is {content_type!r}")
    return CloudEvent(
        id=_required(attributes, "id"),
        source=_required(attributes, "source"),
        type=_required(attributes, "type"),
        subject=attributes.get("subject", ""),
        time=_time(attributes.get("time")),
        partition_key=attributes.get("partitionkey", ""),
        sequence=_sequence(attributes.get("sequence")),
        data=_data(value),
        traceparent=_traceparent(attributes.get("traceparent", "")),
    )


def _attributes(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        attribute = name[len(_PREFIX) :] if name.startswith(_PREFIX) else None
        if name.lower() == "content-type":
            attribute = "datacontenttype"
        if attribute is None or value is None:
            continue
        if attribute in found:
            raise Refused("not_a_cloudevent", f"header {name!r} is there twice")
        try:
            found[attribute] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("not_a_cloudevent", f"header {name!r} is not UTF-8") from None
    return found


def _required(attributes: Mapping[str, str], name: str) -> str:
    value = attributes.get(name, "")
    if not 0 < len(value) <= MAX_LENGTH or "\0" in value:
        raise Refused("not_a_cloudevent", f"ce_{name} must be 1 to {MAX_LENGTH} characters")
    return value


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)  # RFC 3339 with any number of digits, unlike Python 3.10's own
    except msgspec.ValidationError:
        raise Refused("not_a_cloudevent", f"ce_time is no time: {text[:64]!r}") from None
    if moment.tzinfo is None:
        raise Refused("not_a_cloudevent", "ce_time has no time zone")
    return moment


def _sequence(text: str | None) -> int | None:
    """As ours is: a number. The extension allows any text, by which nothing could be compared."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused("not_a_cloudevent", f"ce_sequence is no number: {text[:64]!r}")
    return int(text)


def _traceparent(text: str) -> str | None:
    """It is only for whoever watches, so one that is wrong is no reason to refuse the event."""
    return text if tracing.is_sane(text) else None


def _data(value: bytes | None) -> Mapping[str, Any]:
    try:
        data = exactjson.decode(value or b"", max_depth=MAX_DEPTH)
    except exactjson.MalformedJSON as problem:
        raise Refused("not_json", str(problem)) from problem
    if not isinstance(data, dict):
        raise Refused("not_an_object", "the payload is JSON, but no object")
    return data
