"""Which rows of the file were met already, for those of which the ledger cannot tell: they are not this run's work."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from payment_service.payments.importing.parse_row import Row
from payment_service.payments.states import Status

# A kind of value → the field of a row that has it. `paid` is an order for which a row took the money.
_KINDS: Final = {"reference": "reference", "order_id": "order_id", "number": "number", "paid": "order_id"}


class Duplicates:
    """The line on which a value of each kind was met first, and the rows that are deferred to the end.

    Not in memory, in a scratch file.
    """

    def __init__(self, scratch: sqlite3.Connection) -> None:
        self._scratch = scratch
        self._has_deferred = False
        scratch.execute("CREATE TABLE met (kind, value, line, PRIMARY KEY (kind, value)) WITHOUT ROWID")
        scratch.execute(
            "CREATE TABLE deferred (line PRIMARY KEY, order_id, amount, method, status, reference, created_at)"
        )

    def remember(self, rows: Sequence[Row]) -> None:
        took_money = [row for row in rows if row.took_money]
        for kind, name in _KINDS.items():
            some = took_money if kind == "paid" else rows
            met = [(kind, getattr(row, name), row.line) for row in some if getattr(row, name) is not None]
            self._scratch.executemany("INSERT OR IGNORE INTO met VALUES (?, ?, ?)", met)

    def lines(self, kind: str, values: Sequence[Any]) -> dict[Any, int]:
        """The line of each of the values that was met."""
        query = "SELECT line FROM met WHERE kind = ? AND value = ?"
        found = ((value, self._scratch.execute(query, (kind, value)).fetchone()) for value in values)
        return {value: line[0] for value, line in found if line}

    def defer(self, rows: Sequence[Row]) -> None:
        """Keep rows without a number for the end."""
        self._has_deferred = self._has_deferred or bool(rows)
        values = [
            (
                row.line,
                row.order_id,
                str(row.amount),
                row.method,
                row.status.value,
                row.reference,
                row.created_at.isoformat(),
            )
            for row in rows
        ]
        self._scratch.executemany("INSERT INTO deferred VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def may_clash_with_deferred(self, rows: Sequence[Row]) -> bool:
        """Whether the ledger's indexes cannot be relied on, because an earlier row like these is not in it yet."""
        return self._has_deferred and any(
            self.lines(kind, [getattr(row, kind) for row in rows]) for kind in ("reference", "order_id")
        )

    def deferred_rows(self, *, at_once: int) -> Iterator[list[Row]]:
        """All of them, in the file's order."""
        cursor = self._scratch.execute("SELECT * FROM deferred ORDER BY line")
        while some := cursor.fetchmany(at_once):
            yield [_row(values) for values in some]


def _row(values: tuple[Any, ...]) -> Row:
    line, order_id, amount, method, status, reference, created_at = values
    moment = datetime.fromisoformat(created_at)
    return Row(line, None, order_id, Decimal(amount), method, Status(status), reference, moment)


@contextmanager
def open_duplicates() -> Iterator[Duplicates]:
    """An empty one. SQLite makes the file where the system keeps temporary ones, and deletes it."""
    scratch = sqlite3.connect("", isolation_level=None)
    try:
        scratch.execute("PRAGMA journal_mode=OFF")
        yield Duplicates(scratch)
    finally:
        scratch.close()
