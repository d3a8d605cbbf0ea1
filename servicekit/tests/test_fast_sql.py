"""The ready-made statements do what the ORM's would."""

import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from django.db.models import CharField
from django.db.models.functions import Cast, Now
from django.forms.models import model_to_dict

from servicekit.db import clock, fast_sql
from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.models import Sample

pytestmark = pytest.mark.django_db


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


def event(sequence: int, **other: Any) -> Event:
    return Event(aggregatetype="thing", aggregateid="1", sequence=sequence, type="thing.seen", payload="{}", **other)


def everything(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_row_is_found_as_it_was_written() -> None:
    """Numbers, texts, UUIDs, times and NULLs, each as the ORM reads it back, and as Python had it."""
    written = event(7)
    fast_sql.insert(written)
    (found,) = fast_sql.find(Event, where={"sequence": 7}, among={})
    assert everything(found) == everything(written) == everything(Event.objects.get(pk=written.pk))


def test_a_found_row_is_like_any_other() -> None:
    """It knows that it is stored, so that `save` updates."""
    fast_sql.insert(event(1))
    (found,) = fast_sql.find(Event, where={"sequence": 1}, among={})
    found.type = "thing.changed"
    found.save()
    assert list(Event.objects.values_list("type", flat=True)) == ["thing.changed"]


def test_conditions_are_all_held() -> None:
    """Equality and membership together; UUIDs and numbers are compared as the database stores them."""
    fast_sql.insert_many([event(n) for n in range(1, 6)])
    ids = {found.sequence: found.event_id for found in Event.objects.all()}
    fitting = fast_sql.find(Event, where={"aggregateid": "1"}, among={"sequence": {2, 3, 9}, "type": {"thing.seen"}})
    assert sorted(found.sequence for found in fitting) == [2, 3]
    assert [found.sequence for found in fast_sql.find(Event, where={"event_id": ids[4]}, among={})] == [4]
    assert fast_sql.find(Event, where={"event_id": uuid.uuid4()}, among={}) == []
    assert fast_sql.find(Event, where={}, among={"sequence": ()}) == []


def test_a_few_fields_are_read_as_the_orm_reads_them() -> None:
    """In the order that they were asked for, converted, without making a row of the model."""
    fast_sql.insert_many([event(n) for n in (1, 2, 3)])
    names = ("created_at", "sequence", "published_at", "event_id")
    found = fast_sql.find_values(Event, names, where={"type": "thing.seen"}, among={"sequence": {1, 3}})
    assert sorted(found) == sorted(Event.objects.exclude(sequence=2).values_list(*names))
    assert fast_sql.find_values(Event, names, where={"sequence": 4}, among={}) == []
    assert fast_sql.find_values(Event, names, where={}, among={"sequence": ()}) == []


@pytest.mark.parametrize(("seconds", "changed"), [(-1, 1), (0, 1), (60, 0), (None, 0)])
def test_a_time_must_have_come(seconds: float | None, changed: int) -> None:
    """By the database's clock; one that there is not never has."""
    due_at = None if seconds is None else clock.seconds_from_now(seconds)
    fast_sql.insert(Sample(name="a", happened_at=due_at))
    when = {"due": ("happened_at",)}
    assert fast_sql.compare_and_set(Sample, where={"name": "a"}, among={}, written={"flag": True}, **when) == changed
    assert Sample.objects.filter(happened_at__lte=Now()).count() == changed


def test_a_value_of_another_type_is_converted_like_the_orms() -> None:
    """A number as text, a text as number: the field decides, not the driver."""
    written: Any = "3"
    fast_sql.insert(event(written))
    assert [found.sequence for found in fast_sql.find(Event, where={"sequence": "3"}, among={})] == [3]


def test_a_choice_is_its_value() -> None:
    """A status goes in as the text that it stands for, in conditions and in what is written."""
    fast_sql.insert(Sample(name=Colour.RED))
    assert (
        fast_sql.compare_and_set(
            Sample, where={"name": Colour.RED}, among={"name": list(Colour)}, written={"flag": True}
        )
        == 1
    )
    assert fast_sql.compare_and_set(Sample, where={}, among={"name": {Colour.BLUE}}, written={"flag": False}) == 0
    assert fast_sql.compare_and_set(Sample, where={"flag": True}, among={}, written={"name": Colour.BLUE}) == 1
    assert list(Sample.objects.values_list("name", "flag")) == [("blue", True)]


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 2, 3, 9, 35, 6, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    fast_sql.insert(Sample(name="a", happened_at=moment))
    assert [found.happened_at for found in fast_sql.find(Sample, where={"happened_at": moment}, among={})] == [moment]
    assert fast_sql.compare_and_set(Sample, where={"name": "a"}, among={}, written={"happened_at": moment}) == 1
    assert Sample.objects.get(happened_at=moment.astimezone(timezone.utc)).name == "a"


@pytest.mark.parametrize("amount", [Decimal("1.10"), Decimal(0), Decimal("9999999999.99"), Decimal("1E+2"), "2.50", 3])
def test_an_amount_is_stored_as_the_orm_stores_it(amount: Any) -> None:
    """With two decimals, in a row and in a condition."""
    Sample.objects.create(name="orm", amount=amount)
    fast_sql.insert(Sample(name="insert", amount=amount))
    fast_sql.insert(Sample(name="update"))
    assert fast_sql.compare_and_set(Sample, where={"name": "update"}, among={}, written={"amount": amount}) == 1
    stored = Sample.objects.annotate(text=Cast("amount", CharField())).values_list("amount", "text")
    assert len(set(stored)) == 1
    assert {found.name for found in fast_sql.find(Sample, where={"amount": amount}, among={})} == {
        "orm",
        "insert",
        "update",
    }


def test_an_expression_is_written_by_the_database() -> None:
    """Beside plain values, and NULL takes it away again."""
    key = IdempotencyKey(digest="d", scope="POST /", key="k", fingerprint="f")
    key.locked_until = clock.seconds_from_now(60)
    fast_sql.insert(key)
    (found,) = fast_sql.find(IdempotencyKey, where={"digest": "d"}, among={})
    assert found.locked_until is not None
    assert (found.locked_until - found.created_at).total_seconds() == pytest.approx(60, abs=5)
    written = {"locked_until": None, "status_code": 201}
    assert fast_sql.compare_and_set(IdempotencyKey, where={"id": key.pk}, among={"key": ["k"]}, written=written) == 1
    assert fast_sql.compare_and_set(IdempotencyKey, where={"id": key.pk}, among={"key": ["x"]}, written=written) == 0
    (found,) = fast_sql.find(IdempotencyKey, where={"id": key.pk}, among={})
    assert model_to_dict(found, fields=["status_code", "locked_until"]) == {"status_code": 201, "locked_until": None}
