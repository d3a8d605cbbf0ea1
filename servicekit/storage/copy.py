"""Taking a service's data from its SQLite file to another database, and noticing that it would stay behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from servicekit.settings import env as environment

# What the file's connection is called while it is read.
FILE: Final = "file"
# Rows that are held in memory at once.
_BATCH: Final = 500


class CannotMove(Exception):
    """Nothing was copied, and why not, as a sentence."""


def left_behind(file: Path) -> str:
    """What `DB_*` would leave in the file that was used until now, as a sentence; empty where that is nothing.

    A database that has been migrated is in use, and was chosen before.
    """
    table = settings.MAIN_TABLE
    count = _rows_of(file, table)
    if not count or _is_its_own(file) or connection.introspection.table_names():
        return ""
    name = connection.settings_dict["NAME"]
    return (
        f"{file} holds {count:,} rows of {table}, and the database {name} that the variables name is empty. "
        f"To take them along: manage.py copy_database {file}. To begin afresh: move that file away."
    )


def copy_from(file: Path) -> dict[str, int]:
    """Migrate the database of `DB_*`, which must have no table yet, and copy every row of the file into it.

    All or nothing, and nobody writes into the file meanwhile. Returns the rows of each table. Raises CannotMove.
    """
    if not file.is_file():
        raise CannotMove(f"There is no file {file}.")
    if connection.introspection.table_names():
        raise CannotMove(f"The database {connection.settings_dict['NAME']} has tables already; it must be a new one.")
    with _opened(file) as old:
        call_command("migrate", verbosity=0)
        here, there = (set(MigrationRecorder(each).applied_migrations()) for each in (connection, old))
        if here != there:
            raise CannotMove(f"{file} is of another version: run `migrate` on it first, with this version.")
        with transaction.atomic(using=FILE), transaction.atomic():
            return _copied()


def _copied() -> dict[str, int]:
    tables = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    with connection.constraint_checks_disabled():
        for model in tables:  # what migrations have put there
            model._base_manager.all()._raw_delete(DEFAULT_DB_ALIAS)
        counts = {model._meta.db_table: _copy(model) for model in tables}
    connection.check_constraints()
    for statement in connection.ops.sequence_reset_sql(no_style(), tables):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    ContentType.objects.clear_cache()
    return counts


def _copy(model: type[models.Model]) -> int:
    """Row by row as it is, its times to the microsecond; how many there are, on both sides."""
    rows = model._base_manager.using(FILE).order_by("pk").iterator(chunk_size=_BATCH)
    batch: list[models.Model] = []
    with _as_they_are(model):
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                _insert(model, batch)
        _insert(model, batch)
    here, there = (model._base_manager.using(alias).count() for alias in (DEFAULT_DB_ALIAS, FILE))
    if here != there:
        raise CannotMove(f"{model._meta.db_table} has {there:,} rows in the file, and {here:,} were copied.")
    return here


def _insert(model: type[models.Model], batch: list[models.Model]) -> None:
    model._base_manager.using(DEFAULT_DB_ALIAS).bulk_create(batch)
    batch.clear()


@contextmanager
def _as_they_are(model: type[models.Model]) -> Iterator[None]:
    """Keep Django from writing the present into columns that have the time of their row's making."""
    times = [field for field in model._meta.local_fields if isinstance(field, models.DateField)]
    kept = [(field, field.auto_now, field.auto_now_add) for field in times]
    try:
        for field in times:
            field.auto_now = field.auto_now_add = False
        yield
    finally:
        for field, *of_the_field in kept:
            field.auto_now, field.auto_now_add = of_the_field


@contextmanager
def _opened(file: Path) -> Iterator[BaseDatabaseWrapper]:
    """The file as another database, for as long as it is read."""
    usual = {**connections.settings[DEFAULT_DB_ALIAS], **environment.sqlite_file(file)}
    connections.settings[FILE] = usual
    try:
        yield connections[FILE]
    finally:
        connections[FILE].close()
        del connections[FILE], connections.settings[FILE]


def _is_its_own(file: Path) -> bool:
    return connection.vendor == "sqlite" and Path(str(connection.settings_dict["NAME"])).absolute() == file.absolute()


def _rows_of(file: Path, table: str) -> int:
    """How many rows a table has in a file; none where there is no such file, or no such table in it."""
    if not file.is_file():
        return 0
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        if not opened.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone():
            return 0
        (count,) = opened.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - a setting of ours
        return int(count)
