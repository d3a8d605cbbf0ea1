"""The one way to change a row that was read: a conditional UPDATE on what was read of it (docs/adr/0002, 0031).

Of two who act on the same row one wins; the other gets `StaleRow`, and has written nothing. The row as it is now is
made from what was written, not read again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from django.db import models

from servicekit.db import fast_sql
from servicekit.errors import StaleRow

Row = TypeVar("Row", bound=models.Model)

_ANYWHERE: Final[Mapping[str, Collection[Any]]] = {}


def update(
    row: Row,
    written: Mapping[str, Any],
    *,
    as_read: tuple[str, ...] = ("version",),
    among: Mapping[str, Collection[Any]] = _ANYWHERE,
    is_due: bool = False,
) -> Row:
    """Write to a row as it was read; returns it as it is now.

    `row` stays as it was read, so that the transaction around can be run again. A time by the database's clock is an
    SQL expression in what is returned: it says that there is one, not which.

    Args:
        written: Field name → its new value, or an SQL expression without columns.
        as_read: The fields that must still have the values that `row` has, besides its key.
        among: Field name → the values it may have.
        is_due: Whether the row's `due_at` must have come, by the database's clock.

    Raises:
        StaleRow: there is no such row any more. Nothing was written.
    """
    model = type(row)
    where = {model._meta.pk.name: row.pk, **{name: getattr(row, name) for name in as_read}}
    due = ("due_at",) if is_due else ()
    if fast_sql.compare_and_set(model, where=where, among=among, written=written, due=due) != 1:
        raise StaleRow(str(model._meta.model_name))
    now = model.__new__(model)  # `copy.copy` goes through pickling, at ten times the price
    vars(now).update(vars(row), **written)
    return now


def update_all(
    rows: Sequence[models.Model], written: Mapping[str, Any], *, among: Mapping[str, Collection[Any]] = _ANYWHERE
) -> None:
    """Write the same to many rows, each as it was read, and raise the version of each: one UPDATE for each version.

    Call it in a transaction, with rows of one model that has a `version`. The rows stay as they were read.

    Args:
        written, among: As in `update`.

    Raises:
        StaleRow: one of them is not as it was read any more. The transaction is to be undone.
    """
    by_version: dict[int, list[models.Model]] = defaultdict(list)
    for row in rows:
        by_version[row.version].append(row)  # type: ignore[attr-defined]
    for version, same in sorted(by_version.items()):
        model = type(same[0])
        pks = {model._meta.pk.name: [row.pk for row in same]}
        changes = {**written, "version": version + 1}
        if fast_sql.compare_and_set(model, where={"version": version}, among={**pks, **among}, written=changes) != len(
            same
        ):
            raise StaleRow(str(model._meta.model_name))
