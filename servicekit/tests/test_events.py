"""Events are committed with the change they tell of, and kept in order."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from servicekit.events import outbox, store
from servicekit.events.models import Event
from servicekit.observability import actor
from servicekit.tests.conftest import LogLines

pytestmark = pytest.mark.django_db


def append(event_type: str = "order.paid", *, sequence: int = 1, subject: str = "o-1", **data: Any) -> None:
    store.append(event_type, aggregate_type="order", aggregate_id=subject, sequence=sequence, data=data)


def test_an_event_keeps_its_amounts_exact() -> None:
    """The payload is JSON with raw decimals."""
    append(amount=Decimal("50.00"))
    event = Event.objects.get()
    assert event.payload == '{"amount":50.00}'
    assert (event.aggregatetype, event.aggregateid, event.type, event.sequence) == ("order", "o-1", "order.paid", 1)
    assert event.published_at is None


def test_a_trail_is_one_aggregates_events_in_order() -> None:
    """Oldest first by sequence, nobody else's among them."""
    append("order.paid", sequence=3)
    append("order.created", sequence=1)
    append("order.created", sequence=1, subject="o-2")
    events = store.of("order", "o-1")
    assert [(event["sequence"], event["type"]) for event in events] == [(1, "order.created"), (3, "order.paid")]
    assert set(events[0]) == {"sequence", "type", "created_at", "actor", "data"}
    assert events[0]["created_at"].endswith("Z")


@pytest.mark.django_db(transaction=True)
def test_an_event_goes_with_its_transaction(log_lines: LogLines) -> None:
    """A change that is rolled back leaves neither an event nor a line in the log."""
    with transaction.atomic():
        append()
        transaction.set_rollback(True)
    assert Event.objects.count() == 0
    assert log_lines() == []


@pytest.mark.django_db(transaction=True)
def test_an_event_is_logged_once_it_is_true(log_lines: LogLines) -> None:
    """After the commit, with the ids and nothing of what it is about."""
    actor.act_as("shop")
    with transaction.atomic():
        append(amount=Decimal("1.50"))
        assert log_lines() == []
    (line,) = log_lines()
    del line["timestamp"]
    assert line == {
        "event": "order.paid",
        "order_id": "o-1",
        "sequence": 1,
        "level": "info",
        "service": "servicekit",
        "actor": "shop",
    }


def test_no_two_changes_take_the_same_place() -> None:
    """The database refuses a second event with the same aggregate and sequence."""
    append()
    with pytest.raises(IntegrityError), transaction.atomic():
        append("order.cancelled")
    assert Event.objects.count() == 1


def test_kept_facts_are_in_the_trail_and_no_news() -> None:
    """Each is the first of its aggregate, exact, and the relay has nothing to publish."""
    events = [
        store.EventData(str(UUID(int=n)), f"order-{n}", sequence=1, data={"amount": Decimal("50.10")})
        for n in range(1, 4)
    ]
    store.append_published("order.imported", aggregate_type="order", events=events)
    (event,) = store.of("order", "order-2")
    assert (event["sequence"], event["type"], event["data"]) == (1, "order.imported", {"amount": Decimal("50.10")})
    assert Event.objects.get(aggregateid="order-2").event_id == UUID(int=2)
    assert not outbox.sendable().exists()


def test_facts_are_kept_all_or_none() -> None:
    """One that is there already takes the others with it."""
    store.append("order.created", aggregate_type="order", aggregate_id="order-2", sequence=1, data={})
    events = [store.EventData(str(UUID(int=n)), f"order-{n}", sequence=1, data={}) for n in range(1, 4)]
    with pytest.raises(IntegrityError), transaction.atomic():
        store.append_published("order.imported", aggregate_type="order", events=events)
    assert list(Event.objects.values_list("type", flat=True)) == ["order.created"]


def test_no_facts_are_no_statement() -> None:
    """An empty batch is fine."""
    store.append_published("order.imported", aggregate_type="order", events=[])
    assert Event.objects.count() == 0


def test_of_a_long_trail_the_newest_part_can_be_had() -> None:
    """Oldest first, as all of it."""
    for sequence in range(1, 6):
        Event.objects.create(
            aggregatetype="order", aggregateid="o-long", type="order.seen", sequence=sequence, payload="{}"
        )
    assert [event["sequence"] for event in store.of("order", "o-long", newest=2)] == [4, 5]
    assert [event["sequence"] for event in store.of("order", "o-long")] == [1, 2, 3, 4, 5]
