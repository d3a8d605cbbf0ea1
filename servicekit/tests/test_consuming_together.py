"""Several that consume the same: threads that have one event, and members of a group on librdkafka's mock cluster."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer, TopicPartition
from django.db import connection

from servicekit.idempotency.models import IdempotencyKey
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.connect import connect
from servicekit.inbox.consumer import Consumer
from servicekit.inbox.models import Consumed, Parked
from servicekit.inbox.receive import Subscription, receive
from servicekit.settings.kafka import KafkaSettings
from servicekit.tests.deliveries import TOPIC, message
from servicekit.tests.kafka import WITHIN_S, mock_cluster

pytestmark = pytest.mark.django_db(transaction=True)

# More than the 3 s for which the mock cluster waits for a group's first members.
OPTIONS = {"session.timeout.ms": "4000", "heartbeat.interval.ms": "500"}


def effect(event: CloudEvent) -> str:
    IdempotencyKey.objects.create(digest=event.id, scope="effect", key=event.id, fingerprint="")
    return "done"


SUBSCRIPTION = Subscription("tests", (TOPIC,), {"payment.successful": effect})


def test_threads_with_the_same_event_have_one_effect() -> None:
    """One has it, the others wait for that one and do nothing; again and again."""
    together = threading.Barrier(4)

    def take(number: int) -> str:
        together.wait()
        try:
            return receive(message(number, id=f"e-{number}"), SUBSCRIPTION)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        for number in range(10):
            outcomes = Counter(threads.map(take, [number] * 4))
            assert outcomes == {"done": 1, "duplicate": 3}
    assert (IdempotencyKey.objects.count(), Consumed.objects.count(), Parked.objects.count()) == (10, 10, 0)


def produce(servers: str, numbers: range) -> None:
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for number in numbers:
        each = message(id=f"e-{number}")
        producer.produce(TOPIC, key=str(number), value=each.value, headers=list(each.headers))
    assert producer.flush(WITHIN_S) == 0


def consume_until(members: list[Consumer], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        if not sum(member.consume_once() for member in members):
            threading.Event().wait(0.05)


def has_taken(number: int) -> bool:
    return Consumed.objects.count() >= number


def lag(servers: str) -> int:
    """How many messages a member that comes now would be given."""
    client = KafkaConsumer({"bootstrap.servers": servers, "group.id": "tests", "log_level": 0})
    partitions = [
        TopicPartition(TOPIC, n) for n in client.list_topics(TOPIC, timeout=WITHIN_S).topics[TOPIC].partitions
    ]
    ends = [client.get_watermark_offsets(each, timeout=WITHIN_S)[1] for each in partitions]
    found = sum(end - max(at.offset, 0) for end, at in zip(ends, client.committed(partitions), strict=True))
    client.close()
    return found


def test_members_come_and_go_and_each_event_has_one_effect() -> None:
    """A second member takes over a part of the partitions, the first one leaves, and all is noted in the end."""
    with mock_cluster() as servers:
        kafka = KafkaSettings(servers, TOPIC, OPTIONS)
        produce(servers, range(100))
        first = connect(kafka, SUBSCRIPTION)
        consume_until([first], lambda: has_taken(1))
        second = connect(kafka, SUBSCRIPTION)
        consume_until([first, second], lambda: has_taken(100))
        produce(servers, range(100, 150))
        first.close()
        consume_until([second], lambda: has_taken(150))
        second.close()
        assert lag(servers) == 0
    assert (IdempotencyKey.objects.count(), Consumed.objects.count(), Parked.objects.count()) == (150, 150, 0)
