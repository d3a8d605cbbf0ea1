"""Reading several tables as they were at one moment, without keeping any writer waiting."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from servicekit.invariants.checker import Batch, Finding

# Few enough that a transaction is short, and that what belongs to them fits into one more statement's parameters.
BATCH: Final = 400
# Standard SQL. PostgreSQL takes it inside the transaction that it is about, MySQL in front of it.
_ISOLATE: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

Row = TypeVar("Row", bound=models.Model)
Result = TypeVar("Result")


@contextmanager
def snapshot() -> Iterator[None]:
    """What is read inside is of one moment. Inside another transaction it is as that one is."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with _deferred(), transaction.atomic():
            yield
    else:
        if connection.vendor == "mysql":
            _execute(_ISOLATE)
        with transaction.atomic():
            if connection.vendor == "postgresql":
                _execute(_ISOLATE)
            yield


def in_batches(
    rows: "models.QuerySet[Row]", work: Callable[[Sequence[Row]], Result], *, batch: int = BATCH
) -> Iterator[Result]:
    """All rows in the order of their keys, a batch at a time, and what `work` makes of it in the same snapshot."""
    last: Any = None
    while True:
        with snapshot():
            ahead = rows if last is None else rows.filter(pk__gt=last)
            found = list(ahead.order_by("pk")[:batch])
            result = work(found) if found else None
        if result is None:
            return
        yield result
        last = found[-1].pk


def check_in_batches(
    rows: "models.QuerySet[Row]", check: Callable[[Sequence[Row]], Iterable[Finding]]
) -> Iterator[Batch]:
    """All rows, with what `check` finds in each batch."""
    return in_batches(rows, lambda found: Batch(len(found), tuple(check(found))))


@contextmanager
def _deferred() -> Iterator[None]:
    """Let SQLite begin without the write lock that our transactions otherwise take at once."""
    sqlite: Any = connections[DEFAULT_DB_ALIAS]
    sqlite.ensure_connection()  # which sets the mode
    mode, sqlite.transaction_mode = sqlite.transaction_mode, None
    try:
        yield
    finally:
        sqlite.transaction_mode = mode


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
