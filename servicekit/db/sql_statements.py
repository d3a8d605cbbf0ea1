"""The SQL of the statements in `fast_sql.py`: built from a model's own fields, once for each shape, and kept."""

from functools import lru_cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, models

# Statements differ by model, columns and expressions: a few dozen in a service.
KEPT: Final = 512


@lru_cache(KEPT)
def field_of(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@lru_cache(KEPT)
def serial_of(model: type[models.Model]) -> Any:
    """The key that the database counts up, None where the key is a value of ours."""
    return next((field for field in model._meta.concrete_fields if isinstance(field, models.AutoField)), None)


@lru_cache(KEPT)
def inserted(model: type[models.Model]) -> tuple[Any, ...]:
    """The fields that an INSERT writes."""
    return tuple(field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField))


@lru_cache(KEPT)
def insert(_vendor: str, model: type[models.Model], marks: tuple[str, ...], *, learn_key: bool) -> str:
    connection = connections[DEFAULT_DB_ALIAS]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in inserted(model))
    parts = ["INSERT INTO", quote(model._meta.db_table), f"({columns})", f"VALUES ({', '.join(marks)})"]
    serial = serial_of(model)
    if learn_key and serial and connection.features.can_return_columns_from_insert:
        parts += ["RETURNING", quote(serial.column)]
    return " ".join(parts)


@lru_cache(KEPT)
def insert_prepared(_vendor: str, model: type[models.Model], names: tuple[str, ...]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(field_of(model, name).column) for name in names)
    marks = ", ".join(["%s"] * len(names))
    return " ".join(["INSERT INTO", quote(model._meta.db_table), f"({columns})", f"VALUES ({marks})"])


@lru_cache(KEPT)
def update(
    _vendor: str,
    model: type[models.Model],
    written: tuple[str, ...],
    marks: tuple[str, ...],
    where: tuple[str, ...],
    among: tuple[tuple[str, int], ...],
    *,
    absent: tuple[str, ...] = (),
    due: tuple[str, ...] = (),
    now: str = "",
) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = [quote(field_of(model, name).column) for name in written]
    assignments = ", ".join(f"{column} = {mark}" for column, mark in zip(columns, marks, strict=True))
    conditions = [
        _fits(model, where, among),
        *(f"{quote(field_of(model, name).column)} IS NULL" for name in absent),
        *(f"{quote(field_of(model, name).column)} <= {now}" for name in due),
    ]
    return " ".join(["UPDATE", quote(model._meta.db_table), "SET", assignments, "WHERE", " AND ".join(conditions)])


@lru_cache(KEPT)
def select(
    _vendor: str,
    model: type[models.Model],
    names: tuple[str, ...],
    where: tuple[str, ...],
    among: tuple[tuple[str, int], ...],
) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(field_of(model, name).column) for name in names)
    return " ".join(["SELECT", columns, "FROM", quote(model._meta.db_table), "WHERE", _fits(model, where, among)])


def _fits(model: type[models.Model], where: tuple[str, ...], among: tuple[tuple[str, int], ...]) -> str:
    """The conditions of a statement."""
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    conditions = [f"{quote(field_of(model, name).column)} = %s" for name in where]
    for name, count in among:
        conditions.append(f"{quote(field_of(model, name).column)} IN ({', '.join(['%s'] * count)})")
    return " AND ".join(conditions)
