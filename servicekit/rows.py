"""The two statements that every write of a hot path is made of, with their SQL built once instead of at each call.

`insert` does what `Model.save(force_insert=True)` does; `compare_and_set` does what `filter(...).update(...)` does with
conditions of equality and membership. The ORM spends several times longer on building such a statement than the
database on running it (docs/adr/0004); here only the values change from call to call. Values are parameters, the SQL is
plain enough for every engine.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.sql import Query

# Statements differ by model, columns and expressions: a few dozen in a service.
_KEPT: Final = 512


def insert(row: models.Model) -> None:
    """Insert one row and learn its key; for the rest of `row` nothing changes, and no signal is sent.

    Values may be SQL expressions without columns, such as `clock.seconds_from_now(30)`.
    Raises IntegrityError like `save`.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    fields = _inserted(type(row))
    marks, values = _placed([(field, field.pre_save(row, add=True)) for field in fields])
    serial = _serial(type(row))
    sql = _insert_sql(connection.vendor, type(row), marks, learn_key=True)
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
    placed = [_placed([(field, field.pre_save(row, add=True)) for field in _inserted(model)]) for row in rows]
    sql = _insert_sql(connection.vendor, model, placed[0][0], learn_key=False)
    with connection.cursor() as cursor:
        cursor.executemany(sql, [values for _, values in placed])


def insert_prepared(model: type[models.Model], names: tuple[str, ...], values: Sequence[Sequence[Any]]) -> None:
    """Insert a great many rows: one statement, run once for each, and nothing done to a value on its way.

    Args:
        names: The fields that are written. Others must have a default in the database, or allow NULL.
        values: Of each row, in the order of `names`: as `get_db_prep_save` gives them, or text that means the same.
    """
    sql = _insert_prepared_sql(connections[DEFAULT_DB_ALIAS].vendor, model, names)
    if values:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.executemany(sql, values)


def compare_and_set(
    model: type[models.Model],
    *,
    where: Mapping[str, Any],
    among: Mapping[str, Collection[Any]],
    written: Mapping[str, Any],
) -> int:
    """One conditional UPDATE; returns how many rows it changed.

    Args:
        where: Field name → the value it must have.
        among: Field name → the values it may have.
        written: Field name → its new value, or an SQL expression without columns.
    """
    if not all(among.values()):
        return 0
    connection = connections[DEFAULT_DB_ALIAS]
    marks, values = _placed([(_field(model, name), value) for name, value in written.items()])
    conditions = [(_field(model, name), value) for name, value in where.items()]
    conditions += [(_field(model, name), value) for name, allowed in among.items() for value in sorted(allowed)]
    values += _placed(conditions)[1]
    shape = tuple((name, len(allowed)) for name, allowed in among.items())
    sql = _update_sql(connection.vendor, model, tuple(written), marks, tuple(where), shape)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def _placed(pairs: list[tuple[Any, Any]]) -> tuple[tuple[str, ...], list[Any]]:
    """The placeholder of each (field, value) in the statement, and the parameters as the database takes them."""
    connection = connections[DEFAULT_DB_ALIAS]
    marks: list[str] = []
    values: list[Any] = []
    for field, value in pairs:
        if hasattr(value, "resolve_expression"):
            sql, parameters = _compiled(connection.vendor, value)
            marks.append(sql)
            values.extend(parameters)
        else:
            marks.append("%s")
            values.append(field.get_db_prep_save(value, connection))
    return tuple(marks), values


@lru_cache(_KEPT)
def _compiled(_vendor: str, expression: Any) -> tuple[str, tuple[Any, ...]]:
    query = Query(None)
    compiler = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
    sql, parameters = compiler.compile(expression.resolve_expression(query, allow_joins=False, for_save=True))
    return sql, tuple(parameters)


@lru_cache(_KEPT)
def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@lru_cache(_KEPT)
def _inserted(model: type[models.Model]) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField))


@lru_cache(_KEPT)
def _serial(model: type[models.Model]) -> Any:
    """The key that the database counts up, None where the key is a value of ours."""
    return next((field for field in model._meta.concrete_fields if isinstance(field, models.AutoField)), None)


@lru_cache(_KEPT)
def _insert_sql(_vendor: str, model: type[models.Model], marks: tuple[str, ...], *, learn_key: bool) -> str:
    connection = connections[DEFAULT_DB_ALIAS]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in _inserted(model))
    parts = ["INSERT INTO", quote(model._meta.db_table), f"({columns})", f"VALUES ({', '.join(marks)})"]
    serial = _serial(model)
    if learn_key and serial and connection.features.can_return_columns_from_insert:
        parts += ["RETURNING", quote(serial.column)]
    return " ".join(parts)


@lru_cache(_KEPT)
def _insert_prepared_sql(_vendor: str, model: type[models.Model], names: tuple[str, ...]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(_field(model, name).column) for name in names)
    marks = ", ".join(["%s"] * len(names))
    return " ".join(["INSERT INTO", quote(model._meta.db_table), f"({columns})", f"VALUES ({marks})"])


@lru_cache(_KEPT)
def _update_sql(
    _vendor: str,
    model: type[models.Model],
    written: tuple[str, ...],
    marks: tuple[str, ...],
    where: tuple[str, ...],
    among: tuple[tuple[str, int], ...],
) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name

    def column(name: str) -> str:
        return quote(_field(model, name).column)

    assignments = ", ".join(f"{column(name)} = {mark}" for name, mark in zip(written, marks, strict=True))
    conditions = [f"{column(name)} = %s" for name in where]
    conditions += [f"{column(name)} IN ({', '.join(['%s'] * count)})" for name, count in among]
    return " ".join(["UPDATE", quote(model._meta.db_table), "SET", assignments, "WHERE", " AND ".join(conditions)])
