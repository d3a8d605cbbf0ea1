"""The simulated bank's settlement file: its books, a row for each transaction, as a real gateway would send them."""

import csv
from collections.abc import Iterator, Sequence
from typing import IO, Final

from payment_service.bank.models import Entry, Hold
from servicekit.invariants.snapshot import in_batches

HEADER: Final = ("transaction_id", "order_id", "amount", "currency", "status", "refunded", "key")


def write(file: IO[str]) -> int:
    """Write all of the books into an open text file (`newline=""`); return how many rows there are."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    count = 0
    for rows in in_batches(Hold.objects.all(), lambda some: list(_rows(some))):
        writer.writerows(rows)
        count += len(rows)
    return count


def _rows(holds: Sequence[Hold]) -> Iterator[tuple[str, ...]]:
    charges = Entry.objects.filter(hold__in=[hold.number for hold in holds], kind="charge")
    keys: dict[int | None, str] = dict(charges.values_list("hold_id", "key"))
    for hold in holds:
        key = keys.get(hold.number, "")
        order_id = key.removeprefix("order-").rpartition("-pay-")[0]
        amount = hold.captured or hold.authorized
        yield hold.transaction_id, order_id, str(amount), hold.currency, _status(hold), str(hold.refunded), key


def _status(hold: Hold) -> str:
    if hold.is_released:
        return "VOIDED"
    if not hold.captured:
        return "AUTHORIZED"
    if hold.refunded == hold.captured:
        return "REFUNDED"
    return "PARTIALLY_REFUNDED" if hold.refunded else "CAPTURED"
