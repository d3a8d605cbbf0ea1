"""What a reservation holds: lines in the order they were asked for, kept as one JSON text in the reservation's row.

One text instead of a row for each line: a reservation is always written and read as a whole, and never changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from servicekit import exactjson


@dataclass(frozen=True)
class Line:
    """A product as it was when it was reserved, and how many units of it."""

    product_id: int
    name: str
    unit_price: Decimal
    quantity: int


def merge(wanted: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Quantity by product id, in the order in which the products first appear."""
    merged: dict[int, int] = {}
    for product_id, quantity in wanted:
        merged[product_id] = merged.get(product_id, 0) + quantity
    return merged


def dump(lines: Iterable[Line]) -> str:
    """The lines as the JSON text that is stored and sent."""
    return exactjson.encode(list(lines)).decode()


def load(text: str) -> list[Line]:
    """The lines in a stored text."""
    return [Line(**line) for line in exactjson.decode(text)]
