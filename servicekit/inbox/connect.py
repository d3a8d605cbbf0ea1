"""A consumer group's member on a real broker."""

import logging
from typing import Any, Final

import confluent_kafka
import structlog
from confluent_kafka import KafkaError

from servicekit import exactjson
from servicekit.inbox import metrics
from servicekit.inbox.consumer import Consumer
from servicekit.inbox.receive import Subscription
from servicekit.settings.kafka import KafkaSettings

log = structlog.get_logger()

# By librdkafka's names; KAFKA_OPTIONS may say otherwise.
_DEFAULTS: Final = {
    # A group that is new, or was away for longer than the topic is kept, begins with the oldest that there is.
    "auto.offset.reset": "earliest",
    # What the client fetches ahead. Its own default is 64 MB.
    "queued.max.messages.kbytes": "8192",
    # How soon a topic is found that is made after the consumer's start. Its own default is 5 minutes.
    "topic.metadata.refresh.interval.ms": "10000",
    # How long the partitions of a member that was killed wait for the next one. Its own default is 45 s, to spare
    # groups with much in memory a rebalance; ours is cheap.
    "session.timeout.ms": "15000",
    # How often the lag is looked at.
    "statistics.interval.ms": "5000",
}
_OF_A_CONNECTION: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT})
# Nobody may say otherwise about these: an offset is committed after the effect, or an event is lost.
_FIXED: Final = {"enable.auto.commit": False, "enable.auto.offset.store": False}


def connect(kafka: KafkaSettings, subscription: Subscription) -> Consumer:
    """Join the subscription's group. Whether a broker can be reached shows later: then the client goes on trying."""
    members: list[Consumer] = []

    def committed(error: KafkaError | None, partitions: list[Any]) -> None:
        members[0].committed(error, partitions)

    def measured(statistics: str) -> None:
        _measure_lag(subscription.consumer, statistics)

    client = confluent_kafka.Consumer(
        {
            **_DEFAULTS,
            **kafka.client(),
            **_FIXED,
            "group.id": subscription.consumer,
            "on_commit": committed,
            "stats_cb": measured,
            "error_cb": _log_error,
        },
        logger=logging.getLogger("librdkafka"),
    )
    members.append(Consumer(client, subscription))
    return members[0]


def _measure_lag(consumer: str, statistics: str) -> None:
    """From librdkafka's STATISTICS.md; partition -1 is its own business, a lag of -1 is not known yet."""
    for topic, found in exactjson.decode(statistics).get("topics", {}).items():
        for partition, state in found["partitions"].items():
            if partition != "-1" and state["consumer_lag"] >= 0:
                metrics.set_lag(consumer, topic, partition, state["consumer_lag"])


def _log_error(error: KafkaError) -> None:
    """The client itself goes on; this is only said. What happens to single connections its own log has already."""
    if error.code() not in _OF_A_CONNECTION:
        log.warning("kafka.error", error=error.str())
