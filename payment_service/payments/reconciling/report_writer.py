"""The differences as a CSV file for a spreadsheet, and the result as a table for people."""

import csv
import io
from typing import IO, Final

from rich.console import Console
from rich.table import Table

from payment_service.payments.importing.report import harmless
from payment_service.payments.reconciling.difference_kinds import KINDS, Difference
from payment_service.payments.reconciling.totals import Side, Totals

HEADER: Final = Difference._fields
# As many as a person reads; the report has all.
SHOWN: Final = 20
# Columns of the tables, wherever they are printed: twelve digits on both sides fit in.
WIDTH: Final = 100


class Report:
    """Writes differences into an open text file (`newline=""`), as they come."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        self._writer.writerow(HEADER)

    def write(self, difference: Difference) -> None:
        cells = ["" if cell is None else str(cell) for cell in difference]
        self._writer.writerow([harmless(cell) for cell in cells])


def sentence(difference: Difference) -> str:
    """One difference for a terminal. Ids as `repr`, so that none can send control characters there."""
    where = f"line {difference.line}: " if difference.line is not None else ""
    order = f" (order {difference.order_id!r})" if difference.order_id else ""
    sides = [
        f"{name} {text}"
        for name, text in (("gateway:", difference.at_the_gateway), ("ledger:", difference.in_the_ledger))
        if text
    ]
    amounts = f": {', '.join(sides)}" if sides else ""
    return f"{where}{difference.kind} {difference.transaction_id!r}{order}{amounts}. {difference.message}"


def result(totals: Totals) -> str:
    """Both sides by currency, how many differences of each kind, and how much agrees; lines for a terminal."""
    console = Console(file=io.StringIO(), width=WIDTH)
    with console.capture() as captured:
        console.print(_sides(totals))
        console.print(_kinds(totals))
    return f"{captured.get()}{totals.matched:,} transactions agree.\n"


def _sides(totals: Totals) -> Table:
    table = Table(title="Totals")
    for name in ("currency", "", "transactions", "taken", "given back", "kept"):
        table.add_column(name, justify="left" if name in ("currency", "") else "right")
    for currency in totals.currencies:
        file, ledger = totals.file[currency], totals.ledger[currency]
        difference = Side(
            file.transactions - ledger.transactions, file.taken - ledger.taken, file.refunded - ledger.refunded
        )
        for name, side in (("file", file), ("ledger", ledger), ("file - ledger", difference)):
            numbers = (f"{side.transactions:,}", f"{side.taken:,}", f"{side.refunded:,}", f"{side.kept:,}")
            table.add_row(currency if side is file else "", name, *numbers, end_section=side is difference)
    return table


def _kinds(totals: Totals) -> Table:
    kinds = Table(title="Differences")
    kinds.add_column("kind")
    kinds.add_column("count", justify="right")
    for kind in KINDS:
        kinds.add_row(kind, f"{totals.differences[kind]:,}")
    return kinds
