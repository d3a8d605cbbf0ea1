"""A Kafka cluster within this process: librdkafka's own mock, which speaks the protocol on a socket."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

WITHIN_S = 120.0


@contextmanager
def mock_cluster() -> Iterator[str]:
    """Yields where it listens. It makes a topic when it is asked about, and ends with the client that began it."""
    client = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = client.list_topics(timeout=WITHIN_S).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    client.flush(0)


def read(servers: str, topic: str, count: int) -> list[Message]:
    """The first messages of a topic, from all its partitions, each partition's in order."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "not used", "enable.auto.commit": False, "log_level": 0}
    )
    partitions = consumer.list_topics(topic, timeout=WITHIN_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    found: list[Message] = []
    while len(found) < count:
        message = consumer.poll(WITHIN_S)
        assert message is not None, f"{len(found)} of {count} messages came"
        assert message.error() is None, message.error()
        found.append(message)
    consumer.close()
    return found
