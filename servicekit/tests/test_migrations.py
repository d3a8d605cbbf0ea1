"""The guard of the rolling upgrade: what it lets a migration do, and what not."""

from typing import Any

import pytest
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.state import ModelState, ProjectState

from servicekit.tests import migrations

TEXT: dict[str, Any] = {"max_length": 9}
A_MODEL: list[tuple[str, models.Field[Any, Any]]] = [("id", models.BigAutoField(primary_key=True))]


def why_not(*planned: Any) -> list[str]:
    """What breaks the code before, of a migration of an app that has one model already."""
    state = ProjectState()
    fields: dict[str, models.Field[Any, Any]] = {
        "id": models.BigAutoField(primary_key=True),
        "name": models.CharField(max_length=9),
        "note": models.CharField(max_length=9, null=True),
        "kind": models.CharField(max_length=9, default="", db_default=""),
        "count": models.PositiveIntegerField(),
    }
    state.add_model(ModelState("shop", "Thing", list(fields.items())))

    class More(Migration):
        operations = planned

    broken = migrations.what_breaks_in(More("0002_more", "shop"), state)
    return [why.removeprefix("shop.0002_more: ") for why in broken]


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddField("thing", "more", models.CharField(**TEXT, null=True)),
        operations.AddField("thing", "more", models.CharField(**TEXT, default="", db_default="")),
        operations.AddField("thing", "more", models.CharField(**TEXT, null=True, unique=True)),
        operations.AddIndex("thing", models.Index(fields=["name"], name="thing_name")),
        operations.AlterField("thing", "name", models.CharField(max_length=10, null=True)),
        operations.AlterField("thing", "name", models.TextField()),
        operations.AlterField("thing", "count", models.PositiveBigIntegerField()),
        operations.RunPython(operations.RunPython.noop),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_adds_is_let_through(operation: Any) -> None:
    """NULL, a default in the database, or room for more."""
    assert why_not(operation) == []


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (operations.AddField("thing", "more", models.CharField(**TEXT)), "neither nullable nor has db_default"),
        (operations.AddField("thing", "more", models.CharField(**TEXT, default="")), "neither nullable nor has"),
        (operations.AddField("thing", "more", models.CharField(**TEXT, db_default="", unique=True)), "is unique"),
        (operations.AlterField("thing", "note", models.CharField(**TEXT)), "is NOT NULL now"),
        (operations.AlterField("thing", "note", models.CharField(**TEXT, db_default="")), "is NOT NULL now"),
        (operations.AlterField("thing", "kind", models.CharField(**TEXT, default="")), "no db_default any more"),
        (operations.AlterField("thing", "name", models.CharField(max_length=8)), "a smaller max_length"),
        (operations.AlterField("thing", "name", models.CharField(**TEXT, unique=True)), "is unique now"),
        (operations.AlterField("thing", "count", models.PositiveSmallIntegerField()), "PositiveSmallIntegerField now"),
        (operations.RemoveField("thing", "note"), "may still need"),
        (operations.RenameField("thing", "note", "remark"), "may still need"),
        (operations.RenameModel("Thing", "Item"), "may still need"),
        (operations.AlterModelTable("thing", "things"), "may still need"),
        (operations.DeleteModel("Thing"), "may still need"),
        (operations.RunSQL("ALTER TABLE shop_thing DROP COLUMN note"), "may still need"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.describe(),
)
def test_what_the_code_before_needs_stays(operation: Any, why: str) -> None:
    """Said with its migration and its reason, also where it is hidden from the state."""
    [said] = why_not(operation)
    assert why in said
    [said] = why_not(operations.SeparateDatabaseAndState(database_operations=[operation]))
    assert why in said


def test_a_table_that_is_made_here_is_finished_as_it_likes() -> None:
    """Django's own way with foreign keys in a circle; no code before knows it."""
    more = operations.AddField("other", "more", models.CharField(**TEXT))
    assert why_not(operations.CreateModel("Other", A_MODEL), more) == []
