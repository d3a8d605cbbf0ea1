"""The publisher to Kafka: an idempotent producer that waits for all in-sync replicas.

The only module that knows how to produce; loaded only where Kafka is configured (`base.py`).
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from servicekit.events import cloudevents
from servicekit.events.outbox import Waiting
from servicekit.events.publishers.base import Outcome, Refusal
from servicekit.observability import spans
from servicekit.observability.spans import Span
from servicekit.settings.kafka import KafkaSettings

# Of the message itself: to send it again changes nothing. Everything else may pass: a topic that is missing, a right
# that is not granted, a broker that is away.
PERMANENT: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)
# After these the producer is of no use any more, or would not notice for minutes that the cause is gone.
_BEGIN_ANEW: Final = frozenset({"_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "_FATAL"})
_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
UNREADABLE: Final = "UNREADABLE"

# What must not be configured away. The message time-out is none, because the relay keeps the count of what is not
# answered; with one, a message that times out could let a later one of its key get ahead. For the same reason a gap
# stops the producer, and the relay begins anew behind what is acknowledged.
_FIXED: Final = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,
}
# What may be set by KAFKA_OPTIONS. Time-outs are those of one request; it is repeated until it is answered.
_DEFAULTS: Final = {
    "client.id": "relay",
    "linger.ms": 5,
    "request.timeout.ms": 10_000,
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 2_000,
    "topic.metadata.propagation.max.ms": 5_000,
}
# How long a producer that has failed for good is waited for to tell of each message.
_LAST_WORDS_S: Final = 1.0


_LOG: Final = logging.getLogger("librdkafka")
# It says so of the one experimental option, at each start.
_LOG.addFilter(lambda record: "CONFWARN" not in record.getMessage())


class KafkaPublisher:
    """Publishes to one topic. Connects when the first events come."""

    def __init__(self, kafka: KafkaSettings, *, source: str, key: str | None) -> None:
        self.configuration: dict[str, Any] = {**_DEFAULTS, **kafka.client(), **_FIXED}
        self._topic = kafka.topic
        self._write = cloudevents.writer(source=f"/{source}", key=key)
        self._producer: Producer | None = None
        self._fatal: KafkaError | None = None
        self._outstanding: set[int] = set()
        self._acknowledged: list[int] = []
        self._refused: dict[int, Refusal] = {}
        self._purged: list[int] = []
        self._spans: dict[int, Span] = {}

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    def publish_in_order(self, events: Sequence[Waiting], *, leave: int, within_s: float) -> Outcome:
        deadline = time.monotonic() + within_s
        producer = self._producer
        if producer is None:
            producer = self._producer = Producer(self.configuration, logger=_LOG)
        self._hand_over(producer, events)
        while self._fatal is None and len(self._outstanding) > leave and (left_s := deadline - time.monotonic()) > 0:
            self._listen(producer, left_s)
        if self._fatal is not None:
            self._hear_out(producer, self._fatal)
        outcome = Outcome(self._acknowledged, self._refused)
        self._acknowledged, self._refused = [], {}
        if any(refusal.error in _BEGIN_ANEW for refusal in outcome.refused.values()):
            self.forget()
        return outcome

    def forget(self) -> None:
        if self._producer is not None:
            self._producer.purge()
        self._producer, self._fatal = None, None
        self._outstanding, self._acknowledged, self._refused, self._purged = set(), [], {}, []
        for position in list(self._spans):
            self._end_span(position, "forgotten")

    def _hand_over(self, producer: Producer, events: Sequence[Waiting]) -> None:
        """One after the other, up to the first that is refused at once."""
        position = 0
        try:
            for event in events:
                position = event.position
                if event.traceparent and spans.are_on():
                    event = self._begin_span(event, event.traceparent)  # noqa: PLW2901 - the same, as a part of the span
                key, value, headers = self._write(event)
                on_delivery = partial(self._delivered, position)
                producer.produce(self._topic, value, key, headers=headers, on_delivery=on_delivery)
                self._outstanding.add(position)
        except cloudevents.Unreadable as problem:
            self._refused[position] = Refusal(UNREADABLE, str(problem), is_permanent=True)
        except (TypeError, ValueError) as problem:  # in a column there is what no message can hold
            self._refused[position] = Refusal(UNREADABLE, repr(problem), is_permanent=True)
        except BufferError as problem:
            self._refused[position] = Refusal("QUEUE_FULL", str(problem), is_permanent=False)
        except KafkaException as problem:
            self._refused[position] = _refusal(problem.args[0])

    def _begin_span(self, event: Waiting, of: str) -> Waiting:
        """From here to its outcome; what consumers do with the event is below it."""
        about = {"messaging.system": "kafka", "messaging.destination.name": self._topic, "event.id": event.event_id}
        span = spans.root(f"publish {event.type}", "producer", about, of=of)
        if not span.is_recorded:
            return event
        self._spans[event.position] = span
        return event._replace(traceparent=span.traceparent)

    def _end_span(self, position: int, problem: str = "") -> None:
        if self._spans and (span := self._spans.pop(position, None)) is not None:
            if problem:
                span.failed(problem)
            span.end()

    def _delivered(self, position: int, error: KafkaError | None, _message: object) -> None:
        self._outstanding.discard(position)
        self._end_span(position, error.name() if error is not None else "")
        if error is None:
            self._acknowledged.append(position)
        elif error.code() in _PURGED:
            self._purged.append(position)
        else:
            self._refused[position] = _refusal(error)

    def _listen(self, producer: Producer, within_s: float) -> None:
        """Hear of what was delivered; or that the whole producer has stopped for good."""
        try:
            producer.poll(within_s)
        except KafkaException as problem:
            self._fatal = problem.args[0]

    def _hear_out(self, producer: Producer, fatal: KafkaError) -> None:
        """What a producer that has stopped for good still tells of each message; then the next one begins."""
        deadline = time.monotonic() + _LAST_WORDS_S
        while self._outstanding and (left_s := deadline - time.monotonic()) > 0:
            self._listen(producer, left_s)
        acknowledged = self._acknowledged
        refused = self._refused or dict.fromkeys([*self._purged, *self._outstanding], _refusal(fatal))
        self.forget()
        self._acknowledged, self._refused = acknowledged, refused


def _refusal(error: KafkaError) -> Refusal:
    return Refusal(error.name(), error.str(), is_permanent=error.code() in PERMANENT)
