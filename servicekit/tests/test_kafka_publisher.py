"""What goes to Kafka is a CloudEvent that any reader understands, in order, and only once it is there it is marked."""

from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from servicekit.events import outbox
from servicekit.events.cloudevents import Unreadable, writer
from servicekit.events.models import DeadLetter, Event
from servicekit.events.outbox import Waiting
from servicekit.events.publishers.base import LogPublisher, Outcome, publisher
from servicekit.events.publishers.kafka import KafkaPublisher
from servicekit.events.relay import Relay
from servicekit.settings.kafka import KafkaSettings
from servicekit.tests.conftest import Api
from servicekit.tests.kafka import WITHIN_S, mock_cluster, read
from servicekit.tests.publishing import append

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT = Waiting(
    position=7,
    event_id="0e8c4f60-6b0f-4d56-9a53-2f0c5bb4a1de",
    aggregatetype="payment",
    aggregateid="p-1",
    sequence=12,
    type="payment.successful",
    payload='{"order_id":"o-1","amount":50.10,"note":"ä"}',
    created_at="2025-11-10T12:05:00.000120Z",
    traceparent=None,
    actor=None,
)


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with mock_cluster() as where:
        yield where


def a_relay(servers: str, topic: str, **options: str) -> Relay:
    made = publisher(KafkaSettings(servers, topic, {"log_level": "0", **options}), source="a_service")
    return Relay(made, batch=100)


def run_until_idle(relay: Relay) -> int:
    """Run as a worker does, until nothing waits that can be sent; returns how many were marked."""
    marked = 0
    while outbox.sendable().exists():
        marked += relay.run_once()
    return marked


def headers_of(message: Any) -> dict[str, bytes]:
    return dict(message.headers())


def test_an_event_is_written_in_binary_mode() -> None:
    """Attributes as headers, the payload untouched as the value, the order's id as the key."""
    key, value, headers = writer(source="/payment_service", key="order_id")(EVENT)
    assert (key, value) == ("o-1", EVENT.payload)
    assert dict(headers) == {
        "ce_specversion": "1.0",
        "ce_id": "0e8c4f60-6b0f-4d56-9a53-2f0c5bb4a1de",
        "ce_source": "/payment_service",
        "ce_type": "payment.successful",
        "ce_time": "2025-11-10T12:05:00.000120Z",
        "ce_subject": "p-1",
        "ce_partitionkey": "o-1",
        "ce_sequence": "0000000012",
        "content-type": "application/json",
    }


def test_the_cloudevents_library_reads_it() -> None:
    """Every attribute and extension, and the data."""
    event = EVENT._replace(traceparent=TRACE, actor="Zoë at the shop")
    key, value, headers = writer(source="/payment_service", key="order_id")(event)
    sent = {name: str(text).encode() for name, text in headers}
    read_back = from_binary(KafkaMessage(sent, key.encode(), value.encode()), JSONFormat())
    assert read_back.get_attributes() == {
        "specversion": "1.0",
        "id": EVENT.event_id,
        "source": "/payment_service",
        "type": "payment.successful",
        "time": datetime(2025, 11, 10, 12, 5, 0, 120, tzinfo=timezone.utc),
        "subject": "p-1",
        "datacontenttype": "application/json",
        "partitionkey": "o-1",
        "sequence": "0000000012",
        "traceparent": TRACE,
        "actor": "Zoë at the shop",
    }
    assert read_back.get_data() == {"order_id": "o-1", "amount": 50.1, "note": "ä"}


def test_sequences_are_in_order_as_text() -> None:
    """As the extension asks for: 9 comes before 10, and the largest that the column holds fits in."""
    write = writer(source="/a", key=None)
    numbers = (1, 9, 10, 2_147_483_647)
    texts = [dict(write(EVENT._replace(sequence=number)).headers)["ce_sequence"] for number in numbers]
    assert texts == sorted(texts)  # type: ignore[type-var]
    assert len({len(text or "") for text in texts}) == 1


@pytest.mark.parametrize(
    ("payload", "expected"), [('{"order_id":"o-1"}', "o-1"), ('{"a":[1,{}],"order_id":900342}', "900342")]
)
def test_the_key_is_the_orders_id_as_text(payload: str, expected: str) -> None:
    """A number, where the client's own is one."""
    assert writer(source="/a", key="order_id")(EVENT._replace(payload=payload)).key == expected


@pytest.mark.parametrize("payload", ["", "[", "[]", "{}", '{"order_id":null}', '{"order_id":1.5}'])
def test_without_a_key_there_is_no_message(payload: str) -> None:
    """It would go to any partition, and get ahead of others."""
    with pytest.raises(Unreadable, match="the payload cannot be read"):
        writer(source="/a", key="order_id")(EVENT._replace(payload=payload))


@pytest.mark.django_db
def test_events_arrive_exact_and_in_order(servers: str) -> None:
    """Each order's in its own order, with raw decimals; and all are marked."""
    for sequence in range(1, 6):
        for subject in ("o-1", "o-2", "o-3"):
            append("order.moved", subject=subject, sequence=sequence, amount=Decimal("50.10"))
    assert run_until_idle(a_relay(servers, "in-order")) == 15
    messages = read(servers, "in-order", 15)
    for subject in ("o-1", "o-2", "o-3"):
        found = [headers_of(message)["ce_sequence"] for message in messages if message.key() == subject.encode()]
        assert found == [b"%010d" % sequence for sequence in range(1, 6)]
    assert {message.value() for message in messages} == {b'{"amount":50.10}'}
    assert {headers_of(message)["ce_id"].decode() for message in messages} == {
        str(event_id) for event_id in Event.objects.values_list("event_id", flat=True)
    }


@pytest.mark.django_db
def test_a_message_that_is_too_large_is_buried_alone(servers: str) -> None:
    """The one behind it of the same order waits; all others arrive."""
    append("order.moved", subject="o-1", sequence=1, note="x" * 2_000)
    append("order.moved", subject="o-1", sequence=2)
    append("order.moved", subject="o-2", sequence=1)
    assert run_until_idle(a_relay(servers, "too-large", **{"message.max.bytes": "1500"})) == 1
    (message,) = read(servers, "too-large", 1)
    assert message.key() == b"o-2"
    assert DeadLetter.objects.get().event.sequence == 1
    assert outbox.dead_and_held(at_most=10) == (1, 1)


@pytest.mark.django_db
def test_a_payload_that_cannot_be_read_is_buried(servers: str) -> None:
    """It has no key."""
    append("order.moved", subject="o-1")
    Event.objects.update(payload="[")
    made = KafkaPublisher(KafkaSettings(servers, "unreadable"), source="a_service", key="order_id")
    run_until_idle(Relay(made))
    assert DeadLetter.objects.get().error.startswith("the payload cannot be read")


@pytest.mark.django_db
def test_a_trace_leads_on_into_kafka(servers: str, api: Api) -> None:
    """Of the request that caused the event."""
    api.get("/echo", traceparent=TRACE)
    append("order.moved")
    api.get("/echo")
    append("order.moved", subject="o-2")
    assert run_until_idle(a_relay(servers, "traced")) == 2
    found = {message.key(): headers_of(message).get("ce_traceparent") for message in read(servers, "traced", 2)}
    assert found == {b"o-1": TRACE.encode(), b"o-2": None}


def test_a_broker_that_is_not_there_is_waited_for_in_peace() -> None:
    """Within the time given, and nothing is lost of what was handed over."""
    made = KafkaPublisher(KafkaSettings("127.0.0.1:1", "orders", {"log_level": "0"}), source="a_service", key=None)
    assert made.publish_in_order([EVENT], leave=0, within_s=0.05) == Outcome([], {})
    assert made.publish_in_order([], leave=0, within_s=0.05) == Outcome([], {})
    assert made.outstanding == 1
    made.forget()
    assert made.outstanding == 0


def test_what_was_forgotten_is_told_no_more(servers: str) -> None:
    """Even if the broker had it already."""
    made = KafkaPublisher(KafkaSettings(servers, "forgotten"), source="a_service", key=None)
    assert made.publish_in_order([EVENT], leave=1, within_s=WITHIN_S).acknowledged == []
    made.forget()
    outcome = made.publish_in_order([EVENT._replace(position=8)], leave=0, within_s=WITHIN_S)
    assert outcome == Outcome([8], {})


def test_safety_cannot_be_configured_away() -> None:
    """Neither idempotence nor the broker's acknowledgement."""
    settings = KafkaSettings("127.0.0.1:1", "orders", {"acks": "1", "enable.idempotence": "false", "linger.ms": "50"})
    made = KafkaPublisher(settings, source="a_service", key=None)
    assert made.configuration.items() >= {"acks": "all", "enable.idempotence": True, "linger.ms": "50"}.items()


def test_no_kafka_means_the_log() -> None:
    """And its client is not even loaded."""
    assert isinstance(publisher(KafkaSettings("", "orders"), source="a_service"), LogPublisher)
