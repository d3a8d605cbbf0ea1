"""Events are committed with the change they tell of, and carried out in order, at least once."""

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import structlog
from django.db import IntegrityError, transaction

from servicekit.events import trail
from servicekit.events.models import Event
from servicekit.events.relay import LogPublisher, relay_once

pytestmark = pytest.mark.django_db


class FakePublisher:
    """Takes events until it has taken `good_for` of them, then fails."""

    def __init__(self, good_for: int = 1000) -> None:
        self.good_for = good_for
        self.taken: list[str] = []

    def publish_in_order(self, events: Sequence[Event]) -> list[int]:
        accepted = events[: self.good_for]
        self.good_for -= len(accepted)
        self.taken += [event.type for event in accepted]
        return [event.position for event in accepted]


def tell(event_type: str = "order.paid", *, sequence: int = 1, subject: str = "o-1", **data: Any) -> None:
    trail.append(event_type, aggregate_type="order", aggregate_id=subject, sequence=sequence, data=data)


def test_an_event_keeps_its_amounts_exact() -> None:
    """The payload is JSON with raw decimals."""
    tell(amount=Decimal("50.00"))
    event = Event.objects.get()
    assert event.payload == '{"amount":50.00}'
    assert (event.aggregatetype, event.aggregateid, event.type, event.sequence) == ("order", "o-1", "order.paid", 1)
    assert event.published_at is None


def test_a_trail_is_one_aggregates_events_in_order() -> None:
    """Oldest first by sequence, nobody else's among them."""
    tell("order.paid", sequence=3)
    tell("order.created", sequence=1)
    tell("order.created", sequence=1, subject="o-2")
    events = trail.of("order", "o-1")
    assert [(event["sequence"], event["type"]) for event in events] == [(1, "order.created"), (3, "order.paid")]
    assert set(events[0]) == {"sequence", "type", "created_at", "data"}
    assert events[0]["created_at"].endswith("Z")


@pytest.mark.django_db(transaction=True)
def test_an_event_goes_with_its_transaction(log_lines: Any) -> None:
    """A change that is rolled back leaves neither an event nor a line in the log."""
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)
    assert Event.objects.count() == 0
    assert log_lines() == []


@pytest.mark.django_db(transaction=True)
def test_an_event_is_logged_once_it_is_true(log_lines: Any) -> None:
    """After the commit, with the ids and nothing of what it is about."""
    with transaction.atomic():
        tell(amount=Decimal("1.50"))
        assert log_lines() == []
    (line,) = log_lines()
    del line["timestamp"]
    assert line == {
        "event": "order.paid",
        "order_id": "o-1",
        "sequence": 1,
        "level": "info",
        "service": "servicekit",
    }


def test_no_two_changes_take_the_same_place() -> None:
    """The database refuses a second event with the same aggregate and sequence."""
    tell()
    with pytest.raises(IntegrityError), transaction.atomic():
        tell("order.cancelled")
    assert Event.objects.count() == 1


def test_the_relay_publishes_in_order_and_only_once() -> None:
    """Oldest first; what was acknowledged is marked and not sent again."""
    for number in range(1, 4):
        tell(f"event.{number}", sequence=number)
    publisher = FakePublisher()
    assert [relay_once(publisher), relay_once(publisher)] == [3, 0]
    assert publisher.taken == ["event.1", "event.2", "event.3"]
    assert Event.objects.filter(published_at=None).count() == 0


def test_the_relay_works_in_batches() -> None:
    """A backlog is drained piece by piece, still in order."""
    for number in range(1, 6):
        tell(f"event.{number}", sequence=number)
    publisher = FakePublisher()
    assert [relay_once(publisher, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert publisher.taken == [f"event.{number}" for number in range(1, 6)]


def test_what_was_not_acknowledged_is_sent_again() -> None:
    """The relay stops at the first failure and goes on from there."""
    for number in range(1, 4):
        tell(f"event.{number}", sequence=number)
    assert relay_once(FakePublisher(good_for=1)) == 1
    rest = FakePublisher()
    assert relay_once(rest) == 2
    assert rest.taken == ["event.2", "event.3"]


def test_a_relay_that_dies_before_marking_publishes_again() -> None:
    """A duplicate is allowed, a loss is not."""
    tell("event.1")
    first = FakePublisher()
    first.publish_in_order(list(Event.objects.all()))
    second = FakePublisher()
    assert relay_once(second) == 1
    assert first.taken == second.taken == ["event.1"]


def test_an_event_that_commits_late_is_not_skipped() -> None:
    """A lower position that appears after a higher one was published is still found."""
    tell("event.2", sequence=2)
    relay_once(FakePublisher())
    late = Event(type="event.1", aggregatetype="order", aggregateid="o-1", sequence=1, payload="{}")
    late.position = Event.objects.get().position - 1
    late.save(force_insert=True)
    publisher = FakePublisher()
    assert relay_once(publisher) == 1
    assert publisher.taken == ["event.1"]


def test_without_a_broker_events_go_to_the_log(log_lines: Any) -> None:
    """One line for what was published at once: each event has its own from its commit."""
    tell("event.1", sequence=1)
    tell("event.2", sequence=2, amount=Decimal("50.00"))
    assert relay_once(LogPublisher()) == 2
    (line,) = [line for line in log_lines() if line["event"].startswith("event")]
    first, last = Event.objects.values_list("position", flat=True)
    assert line.items() >= {"event": "events.published", "count": 2, "first": first, "last": last}.items()


def test_at_debug_each_published_event_has_its_line(log_lines: Any) -> None:
    """With its id, type, subject and sequence; its data stays in the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    tell(amount=Decimal("50.00"))
    assert relay_once(LogPublisher()) == 1
    (line,) = [line for line in log_lines() if line["event"] == "event.published"]
    event = Event.objects.get()
    expected = {"event_id": str(event.event_id), "type": "order.paid", "subject": "o-1", "sequence": 1}
    assert line.items() >= expected.items()
    assert "data" not in line


def test_kept_facts_are_in_the_trail_and_no_news() -> None:
    """Each is the first of its aggregate, exact, and the relay has nothing to publish."""
    facts = [
        trail.Fact(str(UUID(int=n)), f"order-{n}", sequence=1, data={"amount": Decimal("50.10")}) for n in range(1, 4)
    ]
    trail.keep("order.imported", aggregate_type="order", facts=facts)
    (event,) = trail.of("order", "order-2")
    assert (event["sequence"], event["type"], event["data"]) == (1, "order.imported", {"amount": Decimal("50.10")})
    assert Event.objects.get(aggregateid="order-2").event_id == UUID(int=2)
    publisher = FakePublisher()
    assert relay_once(publisher) == 0


def test_facts_are_kept_all_or_none() -> None:
    """One that is there already takes the others with it."""
    trail.append("order.created", aggregate_type="order", aggregate_id="order-2", sequence=1, data={})
    facts = [trail.Fact(str(UUID(int=n)), f"order-{n}", sequence=1, data={}) for n in range(1, 4)]
    with pytest.raises(IntegrityError), transaction.atomic():
        trail.keep("order.imported", aggregate_type="order", facts=facts)
    assert list(Event.objects.values_list("type", flat=True)) == ["order.created"]


def test_no_facts_are_no_statement() -> None:
    """An empty batch is fine."""
    trail.keep("order.imported", aggregate_type="order", facts=[])
    assert Event.objects.count() == 0
