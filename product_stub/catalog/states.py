"""A reservation's statuses, the moves between them, and the counter of a product that each status stands for.

Pure Python. Tests walk every pair of statuses.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Status(str, Enum):
    """Where the reserved units are."""

    HELD = "HELD"  # taken from the shelf for the caller, not sold yet
    CONFIRMED = "CONFIRMED"  # sold
    RELEASED = "RELEASED"  # back on the shelf for good; also the tombstone that an early release leaves

    def __str__(self) -> str:
        return self.value


TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.HELD: frozenset({Status.CONFIRMED, Status.RELEASED}),
    Status.CONFIRMED: frozenset({Status.RELEASED}),  # only when the caller says that the goods come back
    Status.RELEASED: frozenset(),
}

# The product's counter in which a reservation's units are. A move takes them from one counter to another, so that
# stock + reserved + sold stays what was supplied.
COUNTER: Final[Mapping[Status, str]] = {
    Status.HELD: "reserved",
    Status.CONFIRMED: "sold",
    Status.RELEASED: "stock",
}


def may_move(source: Status, target: Status) -> bool:
    """Whether the table has this move."""
    return target in TRANSITIONS[source]
