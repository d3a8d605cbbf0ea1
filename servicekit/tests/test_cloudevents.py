"""Reading CloudEvents in Kafka's binary mode."""

from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from servicekit.inbox import cloudevents
from servicekit.inbox.errors import Refused
from servicekit.tests.deliveries import message


def test_every_attribute_is_read() -> None:
    """Amounts are exact decimals, the time is aware, the sequence a number."""
    sent = message(
        id="e-1",
        source="/payments",
        type="payment.refunded",
        time="2025-11-10T12:05:00.123456Z",
        subject="p-1",
        partitionkey="o-1",
        sequence="7",
        value=b'{"amount": 50.10, "order_id": "o-1"}',
    )
    assert cloudevents.parse(sent.headers, sent.value) == cloudevents.CloudEvent(
        id="e-1",
        source="/payments",
        type="payment.refunded",
        subject="p-1",
        time=datetime(2025, 11, 10, 12, 5, 0, 123456, tzinfo=timezone.utc),
        partition_key="o-1",
        sequence=7,
        data={"amount": Decimal("50.10"), "order_id": "o-1"},
    )


def test_what_need_not_be_there_may_be_missing() -> None:
    """Only id, source, type and specversion are required; unknown attributes and other headers do no harm."""
    sent = message(traceparent="00-0-0-00", id="e-1")
    headers = [(name, value) for name, value in sent.headers if name != "content-type"]
    event = cloudevents.parse([*headers, ("x-other", b"\xff"), ("ce_subject", None)], b"{}")
    assert (event.id, event.subject, event.time, event.sequence, event.data) == ("e-1", "", None, None, {})


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"])
def test_json_has_several_names(content_type: str) -> None:
    """With parameters, in capitals, as a suffix."""
    sent = message()
    headers = [*sent.headers[:-1], ("content-type", content_type.encode())]
    assert cloudevents.parse(headers, b"{}").data == {}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"specversion": ""}, "not_a_cloudevent"),
        ({"specversion": "0.3"}, "not_a_cloudevent"),
        ({"id": ""}, "not_a_cloudevent"),
        ({"id": "x" * 256}, "not_a_cloudevent"),
        ({"source": ""}, "not_a_cloudevent"),
        ({"type": ""}, "not_a_cloudevent"),
        ({"type": "a\0b"}, "not_a_cloudevent"),
        ({"time": "yesterday"}, "not_a_cloudevent"),
        ({"time": "2025-11-10T12:05:00"}, "not_a_cloudevent"),
        ({"sequence": "-1"}, "not_a_cloudevent"),
        ({"sequence": "1.5"}, "not_a_cloudevent"),
        ({"sequence": "9" * 19}, "not_a_cloudevent"),
    ],
    ids=str,
)
def test_a_wrong_attribute_is_refused(attributes: dict[str, Any], reason: str) -> None:
    """With a word for what is wrong; no header can make it crash."""
    sent = message(**attributes)
    with pytest.raises(Refused) as refused:
        cloudevents.parse(sent.headers, sent.value)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b"[" * 5000, "not_json"),
        (b"[" * 40 + b"]" * 40, "not_json"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
    ],
    ids=repr,
)
def test_a_wrong_payload_is_refused(value: bytes | None, reason: str) -> None:
    """A tombstone, half a document, other bytes, other JSON."""
    sent = replace(message(), value=value)
    with pytest.raises(Refused) as refused:
        cloudevents.parse(sent.headers, sent.value)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "header", [("ce_id", b"another"), ("ce_subject", b"\xff"), ("content-type", b"text/plain")], ids=str
)
def test_a_wrong_header_is_refused(header: tuple[str, bytes]) -> None:
    """There twice, not UTF-8, not JSON: in any order of the headers."""
    sent = message()
    for headers in ([header, *sent.headers], [*sent.headers, header]):
        with pytest.raises(Refused):
            cloudevents.parse(headers, b"{}")
