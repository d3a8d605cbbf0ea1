"""What a migration may do while servers of the version before it still run, and a schema one column ahead of the code.

An upgrade runs the migrations first and replaces the servers one after another, so the code of the version before meets
the new schema (docs/changing.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

ROOT: Final = Path(__file__).resolve().parents[2]
_TAKES_AWAY: Final = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
    operations.RunSQL,
)
# What a column of the old code's kind may become: whatever takes all that the old one takes.
_WIDER: Final = {
    "PositiveSmallIntegerField": {"PositiveIntegerField", "PositiveBigIntegerField", "IntegerField", "BigIntegerField"},
    "PositiveIntegerField": {"PositiveBigIntegerField", "BigIntegerField"},
    "SmallIntegerField": {"IntegerField", "BigIntegerField"},
    "IntegerField": {"BigIntegerField"},
    "CharField": {"TextField"},
}


def our_apps() -> set[str]:
    """The labels of the apps in this repository."""
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    return {config.label for config in apps.get_app_configs() if config.name.partition(".")[0] in folders}


def lacking() -> list[str]:
    """What the models have and no migration makes, with the command that writes it; empty where they agree."""
    said = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=said, stderr=said)
    except SystemExit:
        return [
            "run this service's `manage.py makemigrations APP -n NAME`, commit what it writes",
            said.getvalue(),
        ]
    return []


def what_breaks() -> list[str]:
    """Each operation of our migrations that the code before it cannot work with, as "app.migration: why"."""
    executor = MigrationExecutor(None)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    state = ProjectState(real_apps=executor.loader.unmigrated_apps)
    ours, found = our_apps(), []
    for migration, _ in plan:
        problems = what_breaks_in(migration, state)
        found += problems if migration.app_label in ours else []
    return found


def what_breaks_in(migration: Migration, state: ProjectState) -> list[str]:
    """The same of one migration on a state, which is moved on."""
    found = []
    made_here: set[str] = set()
    for operation in migration.operations:
        if isinstance(operation, operations.CreateModel):
            made_here.add(operation.name_lower)
        for part in _on_the_database(operation):
            # What nobody knows of yet may be finished as it likes.
            if getattr(part, "model_name_lower", getattr(part, "name_lower", "")) not in made_here:
                found += [f"{migration.app_label}.{migration.name}: {why}" for why in _why(part, migration, state)]
        operation.state_forwards(migration.app_label, state)
    return found


def _on_the_database(operation: Any) -> list[Any]:
    if isinstance(operation, operations.SeparateDatabaseAndState):
        return list(operation.database_operations)
    return [operation]


def _why(operation: Any, migration: Migration, state: ProjectState) -> list[str]:
    kind = type(operation).__name__
    if isinstance(operation, operations.AddField):
        name = f"{kind} {operation.model_name}.{operation.name}"
        field = operation.field
        if not (field.null or field.has_db_default() or field.many_to_many):
            return [f"{name} is neither nullable nor has db_default: the code before inserts no value"]
        if field.unique and not field.null:
            return [f"{name} is unique and has one value for all rows of the code before"]
        return []
    if isinstance(operation, operations.AlterField):
        before = state.models[migration.app_label, operation.model_name_lower].get_field(operation.name)
        return [f"{kind} {operation.model_name}.{operation.name} {why}" for why in _narrower(before, operation.field)]
    if isinstance(operation, _TAKES_AWAY):
        return [f"{kind} {operation.describe()}: the code before may still need what was there"]
    return []


def _narrower(before: Any, after: Any) -> list[str]:
    """What the column does not take any more."""
    found = []
    if before.null and not after.null:
        found.append("is NOT NULL now, and the code before inserts NULL")
    if before.has_db_default() and not (after.has_db_default() or after.null):
        found.append("has no db_default any more, and the code before it inserts no value")
    if after.unique and not before.unique:
        found.append("is unique now, and the code before may repeat it")
    was, becomes = before.get_internal_type(), after.get_internal_type()
    if was != becomes and becomes not in _WIDER.get(was, ()):
        found.append(f"is a {becomes} now")
    sizes = ((size, getattr(before, size, None), getattr(after, size, None)) for size in ("max_length", "max_digits"))
    found += [f"has a smaller {size} now" for size, old, new in sizes if new is not None and (old is None or new < old)]
    return found


def without_a_default_of_their_own() -> list[str]:
    """Our fields with `db_default` alone: a row just inserted by `servicekit.db.fast_sql` would lack it."""
    fields = [
        field
        for label in our_apps()
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.local_fields
    ]
    return [str(field) for field in fields if field.has_db_default() and not (field.has_default() or field.null)]


@contextmanager
def one_column_more(field: models.Field[Any, Any]) -> Iterator[int]:
    """All our tables as a later version's migrations leave them, with that column; how many they are.

    Outside of any transaction. The code knows nothing of the column.
    """
    tables = [model for label in our_apps() for model in apps.get_app_config(label).get_models()]
    field.set_attributes_from_name("of_a_later_version")
    try:
        for model in tables:
            with connection.schema_editor() as editor:
                field.model = model
                editor.add_field(model, field)
        yield len(tables)
    finally:
        with connection.cursor() as cursor:
            for model in tables:
                names = [connection.ops.quote_name(name) for name in (model._meta.db_table, "of_a_later_version")]
                cursor.execute("ALTER TABLE {} DROP COLUMN {}".format(*names))
