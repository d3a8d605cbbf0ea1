"""Amounts as people and programs write them into a CSV file: exact, or not read at all."""

import re
from decimal import Decimal
from typing import Final

from servicekit import money

_POINT: Final = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
_COMMA: Final = re.compile(r"-?[0-9]{1,10},[0-9]{1,2}", re.ASCII)


def read(text: str, *, has_comma: bool) -> Decimal | None:
    """The amount in a cell; None where there is none, or where it could be two.

    What could stand between thousands is refused: 1.234 and 1,234 are one and a bit to some and a thousand to others.

    Args:
        has_comma: Whether 12,50 is an amount: in a file with commas between its cells it is a mistake.
    """
    text = text.strip()
    if _POINT.fullmatch(text):
        return Decimal(text).quantize(money.CENT)
    if has_comma and _COMMA.fullmatch(text):
        return Decimal(text.replace(",", ".")).quantize(money.CENT)
    return None


def wanted(*, has_comma: bool) -> str:
    """What such a cell must be, as a sentence."""
    point = "a point or a comma" if has_comma else "a point"
    return f"Must be an amount like 561.00: {point}, at most two decimals and twelve digits, nothing between thousands."
