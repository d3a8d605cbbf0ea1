"""The relay carries events out in order, at least once, alone, and past those that can never be published."""

from datetime import datetime
from typing import Any

import pytest
import structlog
from django.db import OperationalError, connection
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.events import outbox, relay
from servicekit.events.lease import LEASE_S, Lease, LeaseLost
from servicekit.events.models import DeadLetter, Event, RelayLease
from servicekit.events.publishers.base import LogPublisher
from servicekit.events.relay import Relay
from servicekit.tests.conftest import LogLines
from servicekit.tests.publishing import NO_TOPIC, TOO_LARGE, FakeBroker, RelayAt, append

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def append_many(count: int) -> list[str]:
    for number in range(1, count + 1):
        append(f"event.{number}", sequence=number)
    return [f"event.{number}" for number in range(1, count + 1)]


def unpublished() -> list[str]:
    return list(Event.objects.filter(published_at=None).values_list("type", flat=True))


def end_the_lease() -> None:
    RelayLease.objects.update(held_until=Now())


def test_it_publishes_in_order_and_only_once(broker: FakeBroker) -> None:
    """Oldest first; what was acknowledged is marked and not sent again."""
    appended = append_many(3)
    relays = RelayAt(broker)
    assert [relays.run_once(), relays.run_after(60)] == [3, 0]
    assert (broker.taken, unpublished()) == (appended, [])


def test_a_backlog_is_carried_out_in_batches(broker: FakeBroker) -> None:
    """In one run, still in order; the next is handed over while the one before is on its way."""
    appended = append_many(5)
    assert RelayAt(broker, batch=2).run_once() == 5
    assert (broker.taken, broker.batches) == (appended, [2, 2, 1])


def test_a_run_ends_when_its_time_is_up(broker: FakeBroker) -> None:
    """The worker's other jobs get their turn; the next run goes on at once."""
    appended = append_many(5)
    relays = RelayAt(broker, batch=2)

    def take_long() -> None:
        relays.clock.now += relay.BUDGET_S

    broker.on_publish = take_long
    assert relays.run_once() < 5
    while unpublished():
        relays.run_once()
    assert broker.taken == appended


def test_new_events_gather_for_a_moment(broker: FakeBroker) -> None:
    """After all is sent, the next round waits a little, so that under load it has many to carry."""
    relays = RelayAt(broker)
    append("event.1")
    relays.run_once()
    append("event.2", sequence=2)
    assert [relays.run_after(relay.GATHER_S / 2), relays.run_after(relay.GATHER_S)] == [0, 1]


def test_what_is_read_is_what_was_written() -> None:
    """Ids and times as text, whatever the driver returns for them."""
    append("event.1", amount=5)
    (found,) = outbox.read(after=outbox.BEFORE_ALL, limit=10)
    event = Event.objects.get()
    assert found == outbox.Waiting(
        position=event.position,
        event_id=str(event.event_id),
        aggregatetype="order",
        aggregateid="o-1",
        sequence=1,
        type="event.1",
        payload='{"amount":5}',
        created_at=exactjson.utc_text(event.created_at) or "",
        traceparent=None,
        actor=event.actor,
    )


@pytest.mark.parametrize("moment", ["2025-11-10T12:05:00Z", "2025-11-10T12:05:00.000120Z"])
def test_a_time_is_read_to_the_microsecond(moment: str) -> None:
    """In UTC, and without a fraction where there is none."""
    append("event.1")
    Event.objects.update(created_at=datetime.fromisoformat(moment.replace("Z", "+00:00")))
    assert [event.created_at for event in outbox.read(after=outbox.BEFORE_ALL, limit=10)] == [moment]


def test_nothing_to_publish_writes_nothing(
    broker: FakeBroker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A worker that idles asks two questions a round and takes no lock."""
    with django_assert_num_queries(2):
        assert RelayAt(broker).run_once() == 0
    assert (broker.batches, RelayLease.objects.count()) == ([], 0)


def test_what_was_not_acknowledged_is_sent_again(broker: FakeBroker) -> None:
    """The relay stops at the first that is refused, waits, and goes on from there."""
    appended = append_many(3)
    broker.refuses = {"event.2": NO_TOPIC}
    relays = RelayAt(broker)
    assert relays.run_once() == 1
    assert relays.run_after(relay.REFUSED.first_s / 2) == 0
    broker.refuses = {}
    assert relays.run_after(relay.REFUSED.first_s) == 2
    assert broker.taken == appended
    assert DeadLetter.objects.count() == 0


def test_it_waits_longer_each_time_and_says_so(broker: FakeBroker, log_lines: LogLines) -> None:
    """Up to a limit; what may pass is never dead, however often it was tried."""
    append("event.1")
    broker.refuses = {"event.1": NO_TOPIC}
    relays = RelayAt(broker)
    for _ in range(9):
        relays.run_after(relay.REFUSED.longest_s)
    waits = [line["retry_in_s"] for line in log_lines() if line["event"] == "events.refused"]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (unpublished(), DeadLetter.objects.count()) == (["event.1"], 0)


def test_a_relay_that_dies_before_marking_publishes_again(broker: FakeBroker) -> None:
    """A duplicate is allowed, a loss is not."""
    append("event.1")

    def die() -> None:
        raise KeyboardInterrupt

    broker.on_publish = die
    with pytest.raises(KeyboardInterrupt):
        RelayAt(broker).run_once()
    end_the_lease()
    second = FakeBroker()
    assert RelayAt(second).run_once() == 1
    assert broker.taken == second.taken == ["event.1"]


def test_an_event_that_commits_late_is_not_skipped(broker: FakeBroker) -> None:
    """A lower position that appears after a higher one was published is still found."""
    append("event.2", sequence=2)
    relays = RelayAt(broker)
    relays.run_once()
    late = Event(type="event.1", aggregatetype="order", aggregateid="o-2", sequence=1, payload="{}")
    late.position = Event.objects.get().position - 1
    late.save(force_insert=True)
    assert relays.run_after(1) == 1
    assert broker.taken == ["event.2", "event.1"]


def test_a_broker_that_does_not_answer_costs_little(broker: FakeBroker, log_lines: LogLines) -> None:
    """What is on its way stays there: it is neither sent again nor marked, and each round only looks."""
    appended = append_many(3)
    broker.answers = False
    relays = RelayAt(broker)
    assert [relays.run_once() for _ in range(5)] == [0] * 5
    assert broker.batches == [3, 0, 0, 0, 0]
    assert [line["glances"] for line in log_lines() if line["event"] == "events.unanswered"] == [1, 2, 4]
    broker.answers = True
    assert relays.run_once() == 3
    assert (broker.taken, unpublished()) == (appended, [])


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_after_the_acknowledgement_is_waited_for(broker: FakeBroker) -> None:
    """What the broker has is marked as soon as that is possible, and not published again."""
    append("event.1")

    def refuse_marks(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and "published_at" in sql:
            raise OperationalError("database is locked")
        return execute(sql, *arguments)

    relays = RelayAt(broker)
    with connection.execute_wrapper(refuse_marks), pytest.raises(OperationalError):
        relays.run_once()
    assert unpublished() == ["event.1"]
    assert relays.run_once() == 1
    assert (broker.taken, unpublished()) == (["event.1"], [])


def test_one_relay_at_a_time(broker: FakeBroker) -> None:
    """Another one finds the lease taken and touches nothing, until it is given back or runs out."""
    append("event.1")
    broker.answers = False
    first, second = RelayAt(broker), RelayAt(FakeBroker())
    first.run_once()
    assert second.run_once() == 0
    end_the_lease()
    assert second.run_after(relay.ANOTHER_WORKS_S) == 1


def test_the_lease_is_given_back_when_all_is_sent(broker: FakeBroker) -> None:
    """So that whoever comes next need not wait for it to run out."""
    append("event.1")
    RelayAt(broker).run_once()
    append("event.2", sequence=2)
    assert RelayAt(broker).run_once() == 1


def test_a_relay_that_lost_its_lease_marks_nothing(broker: FakeBroker, log_lines: LogLines) -> None:
    """It was frozen between the broker's answer and its mark, and another one took over."""
    append_many(2)

    def freeze() -> None:
        end_the_lease()
        assert Lease().take()

    broker.on_publish = freeze
    relays = RelayAt(broker)
    assert relays.run_once() == 0
    assert unpublished() == ["event.1", "event.2"]
    assert [line["unmarked"] for line in log_lines() if line["event"] == "relay.lease_lost"] == [2]


def test_a_relay_that_wakes_up_gives_up_what_is_on_its_way(broker: FakeBroker) -> None:
    """Its successor publishes that."""
    append_many(2)
    broker.answers = False
    relays = RelayAt(broker)
    relays.run_once()
    end_the_lease()
    assert Lease().take()
    assert relays.run_once() == 0
    assert (broker.forgotten, broker.outstanding) == (2, 0)


def test_a_lease_is_taken_once_and_by_one() -> None:
    """The same holder may take it again; for another it has to run out."""
    ours, theirs = Lease(), Lease()
    assert [ours.take(), theirs.take(), ours.take()] == [True, False, True]
    RelayLease.objects.update(held_until=seconds_from_now(-1))
    assert theirs.take()
    with pytest.raises(LeaseLost):
        ours.renew()
    theirs.renew()
    held = RelayLease.objects.filter(held_until__gt=seconds_from_now(LEASE_S - 2))
    assert held.filter(held_until__lte=seconds_from_now(LEASE_S)).exists()


def test_an_event_that_can_never_be_published_is_buried(broker: FakeBroker, log_lines: LogLines) -> None:
    """It alone: those that were refused along with it are sent one by one, and are fine."""
    for number in range(1, 6):
        append(f"event.{number}", subject=f"o-{number}")
    broker.refuses = {"event.3": TOO_LARGE}
    relays = RelayAt(broker)
    assert [relays.run_after(1) for _ in range(3)] == [0, 4, 0]
    assert (broker.taken, unpublished()) == (["event.1", "event.2", "event.4", "event.5"], ["event.3"])
    dead = DeadLetter.objects.get()
    assert (dead.event.type, dead.error) == ("event.3", "Broker: Message size too large")
    assert [line["error"] for line in log_lines() if line["event"] == "event.dead"] == ["MSG_SIZE_TOO_LARGE"]


def test_the_later_events_of_a_dead_ones_aggregate_wait_behind_it(broker: FakeBroker) -> None:
    """Nobody learns of a change whose forerunner he does not know."""
    append("first.1")
    append("second.1", subject="o-2")
    append("first.2", sequence=2)
    append("second.2", subject="o-2", sequence=2)
    broker.refuses = {"first.1": TOO_LARGE}
    relays = RelayAt(broker)
    relays.run_once()
    relays.run_after(1)
    append("first.3", sequence=3)
    relays.run_after(1)
    assert (broker.taken, unpublished()) == (["second.1", "second.2"], ["first.1", "first.2", "first.3"])
    assert outbox.dead_and_held(at_most=100) == (1, 2)


def test_when_many_are_dead_the_others_are_still_found(broker: FakeBroker) -> None:
    """More dead ones than a batch has room for do not block the way."""
    for number in range(1, 8):
        append("bad", subject=f"o-{number}")
        append("waits", subject=f"o-{number}", sequence=2)
    append("good", subject="o-8")
    broker.refuses = {"bad": TOO_LARGE}
    relays = RelayAt(broker, batch=3)
    for _ in range(8):
        relays.run_after(1)
    assert (broker.taken, DeadLetter.objects.count()) == (["good"], 7)


def test_without_a_broker_events_go_to_the_log(log_lines: LogLines) -> None:
    """One line for what was published in a run: each event has its own from its commit."""
    append_many(2)
    assert Relay(LogPublisher()).run_once() == 2
    (line,) = [line for line in log_lines() if line["event"].startswith("events")]
    assert line.items() >= {"event": "events.published", "count": 2}.items()


def test_at_debug_each_published_event_has_its_line(log_lines: LogLines) -> None:
    """With its id, type, subject and sequence; its data stays in the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(10))
    append("order.paid", amount=50)
    assert Relay(LogPublisher()).run_once() == 1
    (line,) = [line for line in log_lines() if line["event"] == "event.published"]
    event = Event.objects.get()
    expected = {"event_id": str(event.event_id), "type": "order.paid", "subject": "o-1", "sequence": 1}
    assert line.items() >= expected.items()
    assert "data" not in line
