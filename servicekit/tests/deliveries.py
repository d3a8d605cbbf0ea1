"""Messages as the producing side sends them, and a client that hands them out without a broker."""

from collections import deque
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from servicekit.inbox.messages import Message

TOPIC = "payments"


def message(offset: int = 0, *, partition: int = 0, value: bytes = b'{"amount": 5.00}', **attributes: str) -> Message:
    """An event; `attributes` are those that differ, empty ones are left out."""
    given = {"specversion": "1.0", "id": str(uuid4()), "source": "/payments", "type": "payment.successful"}
    headers = [(f"ce_{name}", text.encode()) for name, text in {**given, **attributes}.items() if text]
    headers.append(("content-type", b"application/json"))
    return Message(TOPIC, partition, offset, b"order-1", headers, value)


class FakeMessage:
    """A message as `confluent_kafka` has it."""

    def __init__(self, of: Message | None, error: KafkaError | None = None) -> None:
        self._of, self._error = of, error

    def error(self) -> KafkaError | None:
        return self._error

    def __getattr__(self, name: str) -> Any:
        return lambda: getattr(self._of, name)


class FakeClient:
    """The broker's side of one consumer: what it delivers, and what it was told."""

    def __init__(self, *messages: Message) -> None:
        self.waiting: deque[FakeMessage] = deque(FakeMessage(each) for each in messages)
        self.committed: dict[tuple[str, int], int] = {}
        self.on_commit: Any = None
        self.refuse_commits = False
        self.is_closed = False
        self.is_paused = False
        self.polls: list[float] = []
        self._unheard: list[Any] = []

    def subscribe(self, topics: list[str], *, on_revoke: Any = None, on_lost: Any = None) -> None:
        self.topics, self.on_revoke, self.on_lost = topics, on_revoke, on_lost

    def poll(self, timeout: float) -> Any:
        self.polls.append(timeout)
        for answer in self._unheard:
            self.on_commit(*answer)
        self._unheard = []
        return None if self.is_paused or not self.waiting else self.waiting.popleft()

    def consume(self, num_messages: int, timeout: float) -> list[Any]:
        return [self.waiting.popleft() for _ in range(min(num_messages, len(self.waiting)))]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.refuse_commits and not asynchronous:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        if self.refuse_commits:
            self._unheard.append((KafkaError(KafkaError._TRANSPORT), offsets))
            return
        self.committed |= {(each.topic, each.partition): each.offset for each in offsets}
        self._unheard.append((None, offsets))

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.is_paused = True

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.is_paused = False

    def close(self) -> None:
        self.is_closed = True
