"""Consuming: what is committed when, what waits, what happens when partitions come and go."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition
from django.db import OperationalError

from servicekit.errors import Unavailable
from servicekit.inbox import parking
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.consumer import Consumer
from servicekit.inbox.messages import Message
from servicekit.inbox.models import Consumed, Parked
from servicekit.inbox.receive import Subscription
from servicekit.tests.conftest import LogLines
from servicekit.tests.deliveries import TOPIC, FakeClient, FakeMessage, message

pytestmark = pytest.mark.django_db


class Bench:
    """A consumer at a fake client, with a clock that is set by hand and a handler that fails as scripted."""

    def __init__(self, *messages: Message) -> None:
        self.now = 100.0
        self.failures: dict[str, list[Exception]] = {}
        self.taken: list[str] = []
        self.client = FakeClient(*messages)
        subscription = Subscription("tests", (TOPIC,), {"payment.successful": self._handle})
        self.consumer = Consumer(self.client, subscription, clock=lambda: self.now)
        self.client.on_commit = self.consumer.committed

    def _handle(self, event: CloudEvent) -> str:
        if self.failures.get(event.id):
            raise self.failures[event.id].pop(0)
        self.taken.append(event.id)
        return "done"

    def rounds(self, number: int, *, seconds: float = 0.0) -> int:
        done = 0
        for _ in range(number):
            done += self.consumer.consume_once()
            self.now += seconds
        return done


def test_a_batch_is_taken_in_order_and_then_committed() -> None:
    """The next offset of each partition, once for the batch."""
    bench = Bench(message(5, id="a"), message(9, id="b", partition=1), message(6, id="c"))
    assert bench.consumer.consume_once() == 3
    assert bench.taken == ["a", "b", "c"]
    assert bench.client.committed == {(TOPIC, 0): 7, (TOPIC, 1): 10}


def test_a_batch_is_bounded() -> None:
    """So that memory is, and a signal is heard soon."""
    bench = Bench(*(message(number) for number in range(250)))
    assert [bench.consumer.consume_once() for _ in range(4)] == [100, 100, 50, 0]


def test_nothing_is_committed_before_its_effect() -> None:
    """A message whose effect fails is not, nor what comes behind it; what was taken before it is."""
    bench = Bench(message(0, id="a"), message(1, id="b"), message(2, id="c"))
    bench.failures["b"] = [OperationalError("database is locked")]
    assert bench.consumer.consume_once() == 1
    assert (bench.taken, bench.client.committed) == (["a"], {(TOPIC, 0): 1})
    assert not Consumed.objects.filter(event_id__in=["b", "c"]).exists()


@pytest.mark.parametrize("problem", [OperationalError("gone"), Unavailable("gone")], ids=["database", "peer"])
def test_what_is_away_is_waited_for_without_end(problem: Exception) -> None:
    """Longer each time up to a ceiling, in order, staying a member of the group; nothing is parked or skipped."""
    bench = Bench(message(0, id="a"), message(1, id="b"))
    bench.failures["a"] = [problem] * 12
    waits: list[float] = []
    while not bench.taken:
        before = bench.now
        bench.consumer.consume_once()
        if bench.taken:
            break
        polls = len(bench.client.polls)
        while bench.now < bench.consumer._retry_at:
            assert bench.consumer.consume_once() == 0
            bench.now += 0.05
        assert len(bench.client.polls) > polls
        assert bench.client.is_paused
        waits.append(round(bench.consumer._retry_at - before, 1))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0, 10.0]
    assert bench.taken == ["a", "b"]
    assert not bench.client.is_paused
    assert not Parked.objects.exists()


def test_while_it_waits_nothing_is_tried() -> None:
    """A database that is away is not asked in every round."""
    bench = Bench(message(0, id="a"))
    bench.failures["a"] = [OperationalError("gone")] * 2
    bench.rounds(5)
    assert len(bench.failures["a"]) == 1
    assert len(bench.client.polls) == 5


def test_a_mistake_of_the_handler_is_parked_after_some_tries() -> None:
    """The others go on; nothing is lost."""
    bench = Bench(message(0, id="a"), message(1, id="b"))
    bench.failures["a"] = [KeyError("order_id")] * 5
    assert bench.rounds(5, seconds=20.0) == 2
    assert bench.taken == ["b"]
    parked = Parked.objects.get()
    assert (parked.offset, parked.reason, parked.detail) == (0, "handler_failed", "KeyError('order_id')")
    assert bench.client.committed == {(TOPIC, 0): 2}


def test_a_mistake_that_passes_is_not_parked() -> None:
    """Four failures, then it works."""
    bench = Bench(message(0, id="a"))
    bench.failures["a"] = [KeyError("order_id")] * 4
    assert bench.rounds(5, seconds=20.0) == 1
    assert bench.taken == ["a"]
    assert not Parked.objects.exists()


def test_a_commit_that_failed_is_made_again() -> None:
    """In a later round, although nothing new has come."""
    bench = Bench(message(0, id="a"))
    bench.client.refuse_commits = True
    bench.rounds(3)
    assert bench.client.committed == {}
    bench.client.refuse_commits = False
    bench.rounds(2)
    assert bench.client.committed == {(TOPIC, 0): 1}


def test_partitions_that_go_take_with_them_what_is_in_hand() -> None:
    """What was taken is committed for the next owner, what was not is the next owner's; the others stay."""
    bench = Bench(message(0, id="a"), message(1, id="b"), message(0, id="c", partition=1))
    bench.failures["b"] = [OperationalError("gone")]
    bench.consumer.consume_once()
    bench.client.on_revoke(bench.client, [TopicPartition(TOPIC, 0)])
    assert bench.client.committed == {(TOPIC, 0): 1}
    bench.rounds(2)
    assert bench.taken == ["a", "c"]
    assert bench.client.committed[TOPIC, 0] == 1


def test_partitions_that_are_lost_are_not_committed() -> None:
    """They have another owner already."""
    bench = Bench(message(0, id="a"), message(1, id="b"))
    bench.client.refuse_commits = True
    bench.failures["b"] = [OperationalError("gone")]
    bench.consumer.consume_once()
    bench.client.refuse_commits = False
    bench.client.on_lost(bench.client, [TopicPartition(TOPIC, 0)])
    assert bench.rounds(2) == 0
    assert bench.client.committed == {}


def test_a_broker_that_is_away_at_a_revocation_is_no_crash() -> None:
    """What was taken is delivered again, then."""
    bench = Bench(message(0, id="a"))
    bench.client.refuse_commits = True
    bench.consumer.consume_once()
    bench.client.on_revoke(bench.client, [TopicPartition(TOPIC, 0)])
    assert bench.rounds(2) == 0


def test_closing_commits_what_was_taken() -> None:
    """And what the broker does not note within a moment is left."""
    bench = Bench(message(0, id="a"))
    bench.client.refuse_commits = True
    bench.consumer.consume_once()
    bench.client.refuse_commits = False
    bench.consumer.close()
    assert bench.client.committed == {(TOPIC, 0): 1}
    assert bench.client.is_closed


def test_an_error_of_the_broker_is_said_and_a_fatal_one_ends_the_process(log_lines: LogLines) -> None:
    """An unknown topic may be made later; a fatal error needs a new client."""
    bench = Bench()
    bench.client.waiting.append(FakeMessage(None, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
    assert bench.consumer.consume_once() == 0
    assert [line["event"] for line in log_lines()] == ["kafka.error"]
    bench.client.waiting.append(FakeMessage(None, KafkaError(KafkaError._FATAL, fatal=True)))
    with pytest.raises(SystemExit):
        bench.consumer.consume_once()


def test_poison_in_the_middle_is_parked_and_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away just then keeps it from being passed over."""
    bench = Bench(message(0, id="a"), message(1, id="", value=b"?"), message(2, id="c"))

    def away(*_: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(parking, "park", away)
        bench.rounds(3, seconds=1.0)
    assert (bench.taken, bench.client.committed) == (["a"], {(TOPIC, 0): 1})
    bench.rounds(2, seconds=20.0)
    assert (bench.taken, bench.client.committed) == (["a", "c"], {(TOPIC, 0): 3})
    assert Parked.objects.get().offset == 1
