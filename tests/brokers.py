"""Kafka for the tests: the broker that KAFKA_BOOTSTRAP_SERVERS names, else librdkafka's mock cluster."""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WITHIN_S: Final = 120.0
# How long the partitions of a consumer that was killed wait for the next one: the shortest that a real broker allows,
# and that is longer than the 3 s for which the mock one waits for a group's first members.
SESSION_MS: Final = 6000
MOCK_SESSION_MS: Final = 4000
PARTITIONS: Final = 3
_NOT_YET: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION})


@dataclass(frozen=True)
class Topics:
    """Where one stack's events go, on which broker. Fresh, because a real broker keeps those of other tests."""

    servers: str
    orders: str
    payments: str
    session_ms: int

    def settings(self) -> dict[str, dict[str, str]]:
        """Environment per service."""
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": self.servers}
        options = f"session.timeout.ms={self.session_ms},heartbeat.interval.ms={self.session_ms // 5}"
        reading = {"KAFKA_PAYMENTS_TOPIC": self.payments, "KAFKA_OPTIONS": options}
        return {
            "order_service": {**kafka, **reading, "KAFKA_TOPIC": self.orders},
            "payment_service": {**kafka, "KAFKA_TOPIC": self.payments, "ORDER_NOTICES": "off"},
            "notify_service": {**kafka, "KAFKA_TOPIC": self.payments, "KAFKA_OPTIONS": options},
        }

    def read(self, *topics: str) -> list[Message]:
        """All messages that are there, each partition's in order."""
        options = {"bootstrap.servers": self.servers, "group.id": "reader", "enable.auto.commit": False}
        with closing(Consumer({**options, "log_level": 0})) as consumer:
            return [message for topic in topics for message in _read(consumer, topic)]

    def lag(self, topic: str, group: str) -> int:
        """Messages of a topic that a consumer group has not committed yet."""
        with closing(Consumer({"bootstrap.servers": self.servers, "group.id": group, "log_level": 0})) as member:
            partitions = [TopicPartition(topic, number) for number in _partitions(member, topic)]
            ends = [_end(member, each) for each in partitions]
            committed = member.committed(partitions, timeout=WITHIN_S)
            return sum(end - max(each.offset, 0) for end, each in zip(ends, committed, strict=True))

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Send messages once more, or for the first time."""
        producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})
        for each in messages:
            producer.produce(topic, key=each.key(), value=each.value(), headers=each.headers() or [])
        assert producer.flush(WITHIN_S) == 0


@contextmanager
def topics() -> Iterator[Topics]:
    """Two fresh topics on a broker."""
    names = orders, payments = [f"{kind}-{secrets.token_hex(4)}" for kind in ("orders", "payments")]
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        _create(given, names)
        yield Topics(given, orders, payments, session_ms=SESSION_MS)
        return
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = cluster.list_topics(timeout=WITHIN_S).brokers.values()
    for name in names:  # to be asked about is all that it takes
        cluster.list_topics(name, timeout=WITHIN_S)
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    yield Topics(servers, orders, payments, session_ms=MOCK_SESSION_MS)
    cluster.flush(0)  # the cluster lives as long as its client


def _create(servers: str, names: Sequence[str]) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    made = admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1) for name in names])
    for future in made.values():
        future.result(WITHIN_S)


def _read(consumer: Consumer, topic: str) -> Iterator[Message]:
    for number in _partitions(consumer, topic):
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING)])
        for _ in range(_end(consumer, TopicPartition(topic, number))):
            message = consumer.poll(WITHIN_S)
            assert message is not None
            assert message.error() is None, message.error()
            yield message


def _end(client: Consumer, partition: TopicPartition) -> int:
    """How many messages a partition has had.

    A broker that was stopped for a while is not its leader at once again; one that has just made it may not know it.
    """
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            return int(client.get_watermark_offsets(partition, timeout=WITHIN_S)[1])
        except KafkaException as failure:
            if failure.args[0].code() not in _NOT_YET or time.monotonic() >= deadline:
                raise
        time.sleep(0.1)


def _partitions(client: Consumer, topic: str) -> list[int]:
    return sorted(client.list_topics(topic, timeout=WITHIN_S).topics[topic].partitions)
