"""A row is changed as it was read, or not at all."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from servicekit.db import rows
from servicekit.errors import StaleRow
from servicekit.tests.models import Sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def sample() -> Sample:
    return Sample.objects.create(name="one", amount=Decimal("5.00"), flag=False)


def stored() -> dict[str, Any]:
    return {**Sample.objects.values().get()}


def test_what_comes_back_is_the_row_as_it_is_now(sample: Sample, django_assert_num_queries: Any) -> None:
    """By one statement; the row that was read stays as it was, so that its transaction can be run again."""
    before = {field.attname: getattr(sample, field.attname) for field in Sample._meta.concrete_fields}
    with django_assert_num_queries(1):
        now = rows.update(sample, {"version": 2, "flag": True, "facts": {"a": 1}})
    assert {name: getattr(now, name) for name in before} == stored()
    assert stored() == {**before, "version": 2, "flag": True, "facts": {"a": 1}}
    assert {name: getattr(sample, name) for name in before} == before


@pytest.mark.parametrize("changed", [{"version": 2}, {"flag": True}, {"name": "two"}])
def test_a_row_that_is_not_as_it_was_read_is_left_alone(sample: Sample, changed: dict[str, Any]) -> None:
    """Whichever of the fields that were asked for has changed."""
    Sample.objects.update(**changed)
    kept = stored()
    with pytest.raises(StaleRow) as refusal:
        rows.update(sample, {"amount": Decimal("1.00")}, as_read=("version", "flag", "name"))
    assert (refusal.value.code, refusal.value.message) == (
        "sample_overtaken",
        "The sample was changed by another request",
    )
    assert (stored(), sample.version) == (kept, 1)


def test_a_field_that_nobody_asked_for_may_have_changed(sample: Sample) -> None:
    """Only the version is asked for where nothing else is said."""
    Sample.objects.update(flag=True)
    rows.update(sample, {"version": 2})
    assert (stored()["version"], stored()["flag"]) == (2, True)


def test_a_row_somewhere_else_is_left_alone(sample: Sample, django_assert_num_queries: Any) -> None:
    """A value among those that are allowed; where none is, nobody is asked."""
    assert rows.update(sample, {"version": 2}, among={"name": {"one", "two"}}).version == 2
    Sample.objects.update(version=1)
    with pytest.raises(StaleRow):
        rows.update(sample, {"version": 2}, among={"name": {"two"}})
    with pytest.raises(StaleRow), django_assert_num_queries(0):
        rows.update(sample, {"version": 2}, among={"name": ()})
    assert stored()["version"] == 1


def test_a_row_that_is_gone_is_stale(sample: Sample) -> None:
    """Its key fits nothing any more."""
    Sample.objects.all().delete()
    with pytest.raises(StaleRow):
        rows.update(sample, {"version": 2})
    assert Sample.objects.count() == 0


def many(count: int) -> list[Sample]:
    return [
        Sample.objects.create(name=f"n{n}", amount=Decimal("5.00"), flag=False, version=1 + n % 2) for n in range(count)
    ]


def test_many_rows_are_changed_by_one_statement_for_each_version(django_assert_num_queries: Any) -> None:
    """Each version rises by one, and nobody else's row is touched."""
    samples = many(6)
    other = Sample.objects.create(name="other", amount=Decimal("5.00"), flag=False)
    with django_assert_num_queries(2):
        rows.update_all(samples, {"flag": True}, among={"name": {f"n{n}" for n in range(6)}})
    changed = Sample.objects.exclude(pk=other.pk).order_by("pk")
    assert [(row.version, row.flag) for row in changed] == [(row.version + 1, True) for row in samples]
    assert list(Sample.objects.filter(pk=other.pk).values_list("version", "flag")) == [(1, False)]


def test_of_many_rows_one_that_is_stale_undoes_all() -> None:
    """Changed or gone or somewhere else: in a transaction nothing is written."""
    samples = many(4)
    Sample.objects.filter(pk=samples[2].pk).update(version=9)
    with pytest.raises(StaleRow), transaction.atomic():
        rows.update_all(samples, {"flag": True})
    with pytest.raises(StaleRow), transaction.atomic():
        rows.update_all(samples[:2], {"flag": True}, among={"name": {"n0"}})
    assert not Sample.objects.filter(flag=True).exists()


def test_no_rows_are_no_statement(django_assert_num_queries: Any) -> None:
    """Nothing to do, and nobody is asked."""
    with django_assert_num_queries(0):
        rows.update_all([], {"flag": True})
