"""Consuming from Kafka: in order, at least once from the broker, with exactly one effect (`receive.py`).

An offset is committed only after the effect's own transaction. A message that cannot be taken now stays in hand, and
everything behind it waits: nothing is skipped, and the order of what belongs together is kept. Memory is bounded by
one batch here and by `queued.max.messages.kbytes` in the client.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from servicekit.inbox import metrics, parking
from servicekit.inbox.errors import Refused
from servicekit.inbox.messages import Message
from servicekit.inbox.receive import TRANSIENT, Subscription, receive
from servicekit.retry import Backoff
from servicekit.runtime import heartbeat

log = structlog.get_logger()

# Messages that are fetched, taken and committed together: a second's work at most, so that SIGTERM is heard soon.
BATCH: Final = 100
# Waits after something that a message needs was away: 0.1, 0.2, 0.4 ... seconds. The ceiling bounds how long the
# consumer is idle after that is back.
AWAY_FOR_NOW: Final = Backoff(first_s=0.1, longest_s=10.0)
# Of what is no outage.
MAX_ATTEMPTS: Final = 5
# An orderly end waits no longer than this for the broker to note what was taken; if it does not, that is delivered
# again, and has no second effect.
COMMIT_WITHIN_S: Final = 3.0

Partition = tuple[str, int]


class Client(Protocol):
    """What is used of `confluent_kafka.Consumer`."""

    def subscribe(self, topics: list[str], *, on_revoke: Any = ..., on_lost: Any = ...) -> None: ...
    def poll(self, timeout: float) -> KafkaMessage | None: ...
    def consume(self, num_messages: int, timeout: float) -> list[KafkaMessage]: ...
    def commit(self, *, offsets: list[TopicPartition], asynchronous: Any) -> Any: ...
    def assignment(self) -> list[TopicPartition]: ...
    def pause(self, partitions: list[TopicPartition]) -> None: ...
    def resume(self, partitions: list[TopicPartition]) -> None: ...
    def close(self) -> None: ...


class Consumer:
    """One member of a consumer group. Not for several threads: the client's callbacks run within its own calls."""

    def __init__(
        self, client: Client, subscription: Subscription, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._subscription = subscription
        self._clock = clock
        self._buffer: deque[Message] = deque()
        # The next offset of each partition, until the broker has noted it.
        self._taken: dict[Partition, int] = {}
        self._is_committing = False
        self._failures = 0
        self._retry_at = 0.0
        client.subscribe(list(subscription.topics), on_revoke=self._revoked, on_lost=self._lost)

    def consume_once(self) -> int:
        """Take what the client has fetched, up to a batch, without waiting; returns how many messages are done."""
        if self._buffer:
            self._rest()
        else:
            self._fetch()
        done = 0
        if self._clock() >= self._retry_at:
            while self._buffer and self._process_next():
                done += 1
        self._commit()
        return done

    def committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The client's `on_commit`. What the broker has not noted is committed again in the next round."""
        self._is_committing = False
        if error is not None:
            log.warning("kafka.commit_failed", error=error.str())
            return
        for each in partitions:
            if each.error is None and self._taken.get((each.topic, each.partition)) == each.offset:
                del self._taken[each.topic, each.partition]

    def close(self) -> None:
        """Have the broker note what was taken, and leave the group, so that others get its partitions at once."""
        deadline = self._clock() + COMMIT_WITHIN_S
        self._client.pause(self._client.assignment())
        while self._taken and self._clock() < deadline:
            self._commit()
            self._client.poll(0.05)
        self._client.close()
        log.info("consumer.closed", consumer=self._subscription.consumer)

    def _fetch(self) -> None:
        first = self._client.poll(0)
        if first is not None:
            for message in [first, *self._client.consume(BATCH - 1, 0)]:
                self._add_to_buffer(message)

    def _rest(self) -> None:
        """Stay a member of the group while waiting. Paused, the client has nothing to give; but just after a rebalance
        it may have.
        """
        self._client.pause(self._client.assignment())
        message = self._client.poll(0)
        if message is not None:
            self._add_to_buffer(message)

    def _add_to_buffer(self, message: KafkaMessage) -> None:
        error = message.error()
        if error is None:
            self._buffer.append(_message(message))
        elif error.fatal():
            raise SystemExit(f"Kafka: {error.str()}")  # only a new process can go on
        else:
            log.warning("kafka.error", error=error.str())

    def _process_next(self) -> bool:
        """Take the message in front; whether that was done, or it stays there."""
        message = self._buffer[0]
        heartbeat.beat()
        try:
            receive(message, self._subscription)
        except TRANSIENT as problem:
            return self._retry_later(problem)
        except Exception as problem:  # one message's mistake must not keep all others waiting for ever
            if self._failures + 1 < MAX_ATTEMPTS:
                return self._retry_later(problem)
            log.exception("consumer.handler_failed")
            parking.park(message, self._subscription.consumer, Refused("handler_failed", repr(problem)))
        self._mark_done(message)
        return True

    def _mark_done(self, message: Message) -> None:
        self._buffer.popleft()
        self._taken[message.topic, message.partition] = message.offset + 1
        if self._failures:
            self._failures = 0
            self._client.resume(self._client.assignment())

    def _retry_later(self, problem: Exception) -> bool:
        wait_s = AWAY_FOR_NOW.wait_s(self._failures)
        self._failures += 1
        self._retry_at = self._clock() + wait_s
        metrics.count_retry(self._subscription.consumer)
        log.warning("event.left_for_later", problem=repr(problem), failures=self._failures, wait_s=wait_s)
        return False

    def _commit(self) -> None:
        if not self._taken or self._is_committing:
            return
        try:
            self._client.commit(offsets=self._offsets(), asynchronous=True)
            self._is_committing = True
        except KafkaException as problem:
            log.warning("kafka.commit_failed", error=str(problem))

    def _offsets(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._taken.items()]

    def _revoked(self, _client: Any, partitions: list[TopicPartition]) -> None:
        """Another member gets these: let it begin where this one ends."""
        if self._taken:
            try:
                self._client.commit(offsets=self._offsets(), asynchronous=False)
            except KafkaException as problem:
                log.warning("kafka.commit_failed", error=str(problem))
        self._lost(_client, partitions)

    def _lost(self, _client: Any, partitions: list[TopicPartition]) -> None:
        """Another member has these already, and is given what this one has in hand."""
        gone = {(each.topic, each.partition) for each in partitions}
        self._buffer = deque(message for message in self._buffer if (message.topic, message.partition) not in gone)
        self._taken = {partition: offset for partition, offset in self._taken.items() if partition not in gone}
        self._failures, self._retry_at, self._is_committing = 0, 0.0, False
        log.info("consumer.partitions_gone", partitions=sorted(gone))


def _message(message: KafkaMessage) -> Message:
    headers: Any = message.headers() or []
    return Message(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        headers=headers,
        value=message.value(),
    )
