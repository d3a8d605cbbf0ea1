"""What a request's body means, however it is spelled: the same numbers, written alike."""

import re
from decimal import Decimal
from typing import Any, Final

from servicekit import money

# Fields of bodies that are amounts of money, which may be quoted: those that are a `rest.MoneyInField` somewhere.
AMOUNTS: Final = frozenset({"amount", "price"})
_QUOTED: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
# As the services send amounts to each other.
_USUAL: Final = re.compile(r"-?[0-9]{1,20}\.[0-9]{2}", re.ASCII)
# What there may be several ways to write in.
_NORMALIZED: Final = (dict, list, Decimal)
# Digits, and places before or behind the point, of what could be an amount; beyond them a number stays as it is.
_MAX_DIGITS: Final = 24


def canonical(document: Any) -> Any:
    """The same document with each number in one spelling: an amount with two decimals, any other without zeros."""
    if isinstance(document, dict):
        result = dict(document)
        for name, value in document.items():
            if name in AMOUNTS:
                result[name] = _amount(value)
            elif isinstance(value, _NORMALIZED):
                result[name] = canonical(value)
        return result
    if isinstance(document, list):
        return [canonical(value) if isinstance(value, _NORMALIZED) else value for value in document]
    return _number(document) if isinstance(document, Decimal) else document


def _amount(value: Any) -> Any:
    if type(value) is Decimal and value and _USUAL.fullmatch(str(value)):
        return value
    is_quoted = isinstance(value, str) and _QUOTED.fullmatch(value)
    if is_quoted or (type(value) is int and abs(value) <= money.MAX_AMOUNT):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return canonical(value)
    if not _is_short(value) or value != (cents := money.two_decimals(value)):
        return _number(value)
    return cents or abs(cents)


def _number(value: Decimal) -> Any:
    if not _is_short(value):
        return value
    whole = int(value)
    return whole if whole == value else value.normalize()


def _is_short(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    return len(digits) <= _MAX_DIGITS and abs(int(exponent)) <= _MAX_DIGITS
