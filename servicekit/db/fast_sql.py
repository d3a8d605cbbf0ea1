"""The statements that a hot path is made of, with their SQL built once instead of at each call.

`insert` does what `Model.save(force_insert=True)` does; `compare_and_set` does what `filter(...).update(...)` does with
conditions of equality and membership, `find` what `list(filter(...))` does with them, `find_values` what
`values_list` does. The ORM spends several times longer on building such a statement than the database on running it
(docs/adr/0004); here only the values change from call to call. Values are parameters, the SQL is plain enough for every
engine.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.functions import Now
from django.db.models.sql import Query

from servicekit.db import sql_statements
from servicekit.db.sql_statements import KEPT

Row = TypeVar("Row", bound=models.Model)


def insert(row: models.Model) -> None:
    """Insert one row and learn its key; for the rest of `row` nothing changes, and no signal is sent.

    Values may be SQL expressions without columns, such as `clock.seconds_from_now(30)`.
    Raises IntegrityError like `save`.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    columns = _inserted(connection.vendor, type(row))
    marks, values = _placed(connection, _read(row, columns))
    serial = sql_statements.serial_of(type(row))
    sql = sql_statements.insert(connection.vendor, type(row), marks, learn_key=True)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        if serial and connection.features.can_return_columns_from_insert:
            row.pk = cursor.fetchone()[0]
        elif serial:
            row.pk = connection.ops.last_insert_id(cursor, row._meta.db_table, serial.column)


def insert_many(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model, all with plain values, without learning their keys."""
    if not rows:
        return
    connection = connections[DEFAULT_DB_ALIAS]
    model = type(rows[0])
    columns = _inserted(connection.vendor, model)
    placed = [_placed(connection, _read(row, columns)) for row in rows]
    sql = sql_statements.insert(connection.vendor, model, placed[0][0], learn_key=False)
    with connection.cursor() as cursor:
        cursor.executemany(sql, [values for _, values in placed])


def insert_prepared(model: type[models.Model], names: tuple[str, ...], values: Sequence[Sequence[Any]]) -> None:
    """Insert a great many rows: one statement, run once for each, and nothing done to a value on its way.

    Args:
        names: The fields that are written. Others must have a default in the database, or allow NULL.
        values: Of each row, in the order of `names`: as `get_db_prep_save` gives them, or text that means the same.
    """
    if not values:
        return
    connection = connections[DEFAULT_DB_ALIAS]
    sql = sql_statements.insert_prepared(connection.vendor, model, names)
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def update_prepared(
    model: type[models.Model], *, written: tuple[str, ...], where: tuple[str, ...], values: Sequence[Sequence[Any]]
) -> int:
    """Change a great many rows: one conditional UPDATE, run once for each; returns how many rows were changed in all.

    Args:
        written: The fields that get a new value.
        where: The fields that must have a value.
        values: Of each row, in the order of `written` and then of `where`, as for `insert_prepared`.
    """
    if not values:
        return 0
    connection = connections[DEFAULT_DB_ALIAS]
    sql = sql_statements.update(connection.vendor, model, written, ("%s",) * len(written), where, ())
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)
        return int(cursor.rowcount)


def compare_and_set(
    model: type[models.Model],
    *,
    where: Mapping[str, Any],
    among: Mapping[str, Collection[Any]],
    written: Mapping[str, Any],
    absent: tuple[str, ...] = (),
    due: tuple[str, ...] = (),
) -> int:
    """One conditional UPDATE; returns how many rows it changed.

    Args:
        where: Field name → the value it must have.
        among: Field name → the values it may have.
        written: Field name → its new value, or an SQL expression without columns.
        absent: Field names that must be NULL.
        due: Names of times that must have come, by the database's clock.
    """
    if not all(among.values()):
        return 0
    connection = connections[DEFAULT_DB_ALIAS]
    vendor = connection.vendor
    marks, values = _placed(connection, [(_column(vendor, model, name), value) for name, value in written.items()])
    shape = tuple((name, len(allowed)) for name, allowed in among.items())
    now = _compiled(vendor, Now())[0] if due else ""
    sql = sql_statements.update(
        vendor, model, tuple(written), marks, tuple(where), shape, absent=absent, due=due, now=now
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values + _compared(connection, model, where, among))
        return int(cursor.rowcount)


def find(model: type[Row], *, where: Mapping[str, Any], among: Mapping[str, Collection[Any]]) -> list[Row]:
    """The rows that fit, in no order. Conditions as in `compare_and_set`."""
    fields, attributes = _stored(model)
    found = find_values(model, fields, where=where, among=among)
    return [model.from_db(DEFAULT_DB_ALIAS, attributes, values) for values in found]


def find_values(
    model: type[models.Model],
    names: tuple[str, ...],
    *,
    where: Mapping[str, Any],
    among: Mapping[str, Collection[Any]],
) -> list[tuple[Any, ...]]:
    """Like `find`, but only the values of the fields `names` of each row: what `values_list` gives."""
    if not all(among.values()):
        return []
    connection = connections[DEFAULT_DB_ALIAS]
    shape = tuple((name, len(allowed)) for name, allowed in among.items())
    sql = sql_statements.select(connection.vendor, model, names, tuple(where), shape)
    with connection.cursor() as cursor:
        cursor.execute(sql, _compared(connection, model, where, among))
        found: list[tuple[Any, ...]] = cursor.fetchall()
    for n, column, convert in _conversions(connection.vendor, model, names):
        found = [(*row[:n], convert(row[n], column, connection), *row[n + 1 :]) for row in found]
    return found


class _Column(NamedTuple):
    """A column of a model, and what its field would have to do for a value on its way into the database."""

    field: Any
    # The type of value, if any, that goes to the driver as it is.
    plain: type | None
    # Times of ours have a time zone, and amounts are finite: they need no more than the database's own form.
    is_time: bool
    is_amount: bool
    # Whether the field makes the value itself when a row is inserted.
    makes_value: bool


# What a field of exactly this class takes; of a subclass nothing is known.
_SAMPLES: Final[Mapping[type, Any]] = {
    models.CharField: "a",
    models.TextField: "a",
    models.BooleanField: True,
    models.BigAutoField: 1,
    models.BigIntegerField: 1,
    models.PositiveIntegerField: 1,
    models.PositiveSmallIntegerField: 1,
}


@lru_cache(KEPT)
def _column(_vendor: str, model: type[models.Model], name: str) -> _Column:
    field = sql_statements.field_of(model, name)
    is_time = type(field) is models.DateTimeField
    makes_value = field.auto_now or field.auto_now_add if is_time else type(field).pre_save is not models.Field.pre_save
    sample = _SAMPLES.get(type(field.target_field if field.is_relation else field))
    prepared = None if sample is None else field.get_db_prep_save(sample, connections[DEFAULT_DB_ALIAS])
    plain = type(sample) if sample is not None and type(prepared) is type(sample) else None
    return _Column(field, plain, is_time, type(field) is models.DecimalField, makes_value)


@lru_cache(KEPT)
def _inserted(vendor: str, model: type[models.Model]) -> tuple[_Column, ...]:
    return tuple(_column(vendor, model, field.name) for field in sql_statements.inserted(model))


def _read(row: models.Model, columns: tuple[_Column, ...]) -> list[tuple[_Column, Any]]:
    """Each column's value in a row that is to be inserted."""
    return [
        (column, column.field.pre_save(row, add=True) if column.makes_value else getattr(row, column.field.attname))
        for column in columns
    ]


def _placed(connection: Any, pairs: list[tuple[_Column, Any]]) -> tuple[tuple[str, ...], list[Any]]:
    """The placeholder of each (column, value) in the statement, and the parameters as the database takes them."""
    marks: list[str] = []
    values: list[Any] = []
    for column, value in pairs:
        if value is None or type(value) is column.plain:
            marks.append("%s")
            values.append(value)
        elif column.is_time and type(value) is datetime:
            marks.append("%s")
            values.append(connection.ops.adapt_datetimefield_value(value))
        elif column.is_amount and type(value) is Decimal:
            marks.append("%s")
            digits, places = column.field.max_digits, column.field.decimal_places
            values.append(connection.ops.adapt_decimalfield_value(value, digits, places))
        elif isinstance(value, Enum):
            marks.append("%s")
            values.append(value.value)
        elif hasattr(value, "resolve_expression"):
            sql, parameters = _compiled(connection.vendor, value)
            marks.append(sql)
            values.extend(parameters)
        else:
            marks.append("%s")
            values.append(column.field.get_db_prep_save(value, connection))
    return tuple(marks), values


def _compared(
    connection: Any, model: type[models.Model], where: Mapping[str, Any], among: Mapping[str, Collection[Any]]
) -> list[Any]:
    """The parameters of a statement's conditions."""
    pairs = [*where.items(), *((name, value) for name, allowed in among.items() for value in sorted(allowed))]
    return _placed(connection, [(_column(connection.vendor, model, name), value) for name, value in pairs])[1]


@lru_cache(KEPT)
def _compiled(_vendor: str, expression: Any) -> tuple[str, tuple[Any, ...]]:
    query = Query(None)
    compiler = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
    sql, parameters = compiler.compile(expression.resolve_expression(query, allow_joins=False, for_save=True))
    return sql, tuple(parameters)


@lru_cache(KEPT)
def _stored(model: type[models.Model]) -> tuple[tuple[str, ...], list[str]]:
    """The names of a model's fields, and of the attributes that `from_db` takes for them."""
    fields = model._meta.concrete_fields
    return tuple(field.name for field in fields), [field.attname for field in fields]


@lru_cache(KEPT)
def _conversions(_vendor: str, model: type[models.Model], names: tuple[str, ...]) -> list[tuple[int, Any, Any]]:
    """What must be done to which column of what the driver returns."""
    connection = connections[DEFAULT_DB_ALIAS]
    fields = [sql_statements.field_of(model, name) for name in names]
    columns = [field.get_col(model._meta.db_table) for field in fields]
    return [
        (n, column, convert)
        for n, (field, column) in enumerate(zip(fields, columns, strict=True))
        for convert in (*connection.ops.get_db_converters(column), *field.get_db_converters(connection))
    ]
