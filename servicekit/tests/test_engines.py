"""The same code finds the same thing, whatever engine the database is on."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max, Sum
from django.db.models.functions import Now
from django.utils.timezone import now

from servicekit.db import clock, fast_sql
from servicekit.tests.models import Sample

pytestmark = pytest.mark.django_db

# Alike to a reader, or to a collation that means well; each is another text.
ALIKE = (
    "key",
    "Key",
    "KEY",
    "key ",
    " key",
    "kéy",
    "ke\u0301y",
    "ключ",
    "Ключ",
    "straße",
    "strasse",
    "\uff4bey",
    "🔑",
    "🗝",
)


# SQLite names the columns of a unique key, the others its constraint.
NAME_TAKEN = r"sample_name_unique|tests_sample\.name"


@contextmanager
def refused(name: str) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        yield


def test_texts_are_the_same_only_when_every_character_is() -> None:
    """Capitals, accents and blanks at the end count: for a unique key, and for finding it again."""
    for name in ALIKE:
        Sample.objects.create(name=name)
    for name in ALIKE:
        assert [found.name for found in Sample.objects.filter(name=name)] == [name]
        assert [found.name for found in fast_sql.find(Sample, where={"name": name}, among={})] == [name]
        with refused(NAME_TAKEN):
            Sample.objects.create(name=name)
    assert set(Sample.objects.filter(name__in=["KEY", "key "]).values_list("name", flat=True)) == {"KEY", "key "}
    assert Sample.objects.filter(name="").count() == 0


def test_capitals_are_ignored_only_where_that_is_asked_for() -> None:
    """As the admin's search does."""
    for name in ("Alice", "alice", "Bob"):
        Sample.objects.create(name=name)
    assert Sample.objects.filter(name__icontains="ALI").count() == 2


def test_amounts_are_exact_to_the_largest() -> None:
    """Two decimals, never a binary fraction: stored, compared and added up by the database."""
    for n, amount in enumerate(("0.10", "0.20", "9999999999.99")):
        fast_sql.insert(Sample(name=str(n), amount=Decimal(amount)))
    assert [str(found.amount) for found in Sample.objects.order_by("amount")] == ["0.10", "0.20", "9999999999.99"]
    assert Sample.objects.filter(amount=Decimal("0.10")).count() == 1
    assert Sample.objects.filter(amount__gt=Decimal("0.10"), amount__lte=Decimal("0.20")).count() == 1
    assert Sample.objects.filter(amount__lt=1).aggregate(total=Sum("amount")) == {"total": Decimal("0.30")}
    with refused("sample_amount_not_negative"):
        Sample.objects.create(name="less", amount=Decimal("-0.01"))


def test_a_moment_keeps_its_microseconds_and_its_zone() -> None:
    """Whatever zone the server is in; moments compare as moments."""
    tokyo = timezone(timedelta(hours=9))
    moment = datetime(2026, 3, 29, 1, 59, 59, 123457, tzinfo=timezone.utc)
    fast_sql.insert(Sample(name="one", happened_at=moment.astimezone(tokyo)))
    found = Sample.objects.get()
    assert found.happened_at is not None
    assert (found.happened_at, found.happened_at.utcoffset()) == (moment, timedelta())
    assert Sample.objects.filter(happened_at=moment).count() == 1
    assert Sample.objects.filter(happened_at__gt=moment - timedelta(microseconds=1)).count() == 1
    assert Sample.objects.filter(happened_at__gt=moment).count() == 0


def test_the_databases_clock_is_in_the_same_zone_as_ours() -> None:
    """A lease that it writes is as long as it was meant, to the microsecond."""
    fast_sql.insert(Sample(name="now", happened_at=Now()))
    fast_sql.insert(Sample(name="later", happened_at=clock.seconds_from_now(30.25)))
    moments: dict[str, Any] = dict(Sample.objects.values_list("name", "happened_at"))
    assert abs((moments["now"] - now()).total_seconds()) < 5
    assert (moments["later"] - moments["now"]).total_seconds() == pytest.approx(30.25, abs=1)
    assert Sample.objects.filter(happened_at__lte=Now()).count() == 1
    assert Sample.objects.filter(happened_at__lte=clock.seconds_from_now(40)).count() == 2
    assert Sample.objects.aggregate(last=Max("happened_at"))["last"] == moments["later"]


def test_a_row_comes_back_as_it_was_written() -> None:
    """Through the ready-made statements and through the ORM."""
    facts = {"text": "ß🔑", "list": [1, None, True], "nested": {"amount": "0.10"}}
    sample = Sample(name="one", facts=facts, flag=None, uid=uuid.uuid4())
    fast_sql.insert(sample)
    (found,) = fast_sql.find(Sample, where={"uid": sample.uid}, among={})
    stored = Sample.objects.get(pk=sample.pk)
    for read in (found, stored):
        assert (read.uid, read.facts, read.flag, read.version) == (sample.uid, facts, None, 1)


def test_keys_are_learnt_and_rise() -> None:
    """One after the other."""
    samples = [Sample(name=str(n)) for n in range(3)]
    for sample in samples:
        fast_sql.insert(sample)
    numbers = [sample.pk for sample in samples]
    assert numbers == sorted(set(numbers)) == list(Sample.objects.order_by("pk").values_list("pk", flat=True))


def test_an_update_counts_the_rows_that_it_found() -> None:
    """Also those that had the new value already: the count decides who won, not whether anything looks different."""
    sample = Sample.objects.create(name="one")
    assert Sample.objects.filter(pk=sample.pk, version=1).update(version=1) == 1
    written: dict[str, Any] = {"version": 1, "flag": None}
    assert fast_sql.compare_and_set(Sample, where={"id": sample.pk}, among={"name": ["one"]}, written=written) == 1
    assert fast_sql.compare_and_set(Sample, where={"id": sample.pk}, among={"name": ["One"]}, written=written) == 0
    assert Sample.objects.filter(pk=sample.pk).update(version=F("version") + 1) == 1


def test_a_refused_insert_leaves_the_transaction_around_it_alive() -> None:
    """Where it is made in a savepoint, as everything is that goes on after a refusal."""
    Sample.objects.create(name="one")
    with transaction.atomic():
        Sample.objects.create(name="two")
        with refused(NAME_TAKEN):
            fast_sql.insert(Sample(name="one"))
        Sample.objects.create(name="three")
    assert Sample.objects.count() == 3


def test_many_rows_are_written_at_once() -> None:
    """Prepared values too, as text where the database reads that."""
    fast_sql.insert_many([Sample(name=f"many {n}", amount=Decimal(n)) for n in range(5)])
    uids = [uuid.uuid4() for _ in range(5)]
    moment = connection.ops.adapt_datetimefield_value(now())
    values = [(uid.hex, f"prepared {n}", f"{n}.50", moment, None, 1) for n, uid in enumerate(uids)]
    fast_sql.insert_prepared(Sample, ("uid", "name", "amount", "happened_at", "flag", "version"), values)
    assert set(Sample.objects.filter(name__startswith="prepared").values_list("uid", flat=True)) == set(uids)
    assert Sample.objects.aggregate(total=Sum("amount")) == {"total": Decimal("22.50")}
