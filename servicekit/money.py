"""Amounts of money: major units, at most two decimals and twelve digits, together with an ISO 4217 currency code."""

from decimal import Decimal
from typing import Final

import iso4217

from servicekit import errors

# What the ledger's columns and the wire both hold: 9,999,999,999.99.
MAX_DIGITS: Final = 12
DECIMAL_PLACES: Final = 2
MAX_AMOUNT: Final = Decimal(10) ** (MAX_DIGITS - DECIMAL_PLACES) - Decimal("0.01")
CENT: Final = Decimal("0.01")

# Code → smallest unit. Currencies with three decimals are kept with two, as the wire is. ISO 4217 gives funds, metals
# and test codes (XAU, XXX) no exponent: nobody pays an order with those.
_UNITS: Final[dict[str, Decimal]] = {
    currency.code: Decimal(1).scaleb(-min(exponent, DECIMAL_PLACES))
    for currency in iso4217.Currency
    if (exponent := currency.exponent) is not None
}


class DoesNotFit(errors.Invalid):
    """An amount that its currency has no coins for, or that no column holds; a 400 that names the field."""

    code = "invalid"

    def __init__(self, sentence: str, *, field: str) -> None:
        super().__init__(f"{field}: {sentence}", fields={field: [sentence]})


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 code (upper case) of a currency that has a smallest unit."""
    return code in _UNITS


def has_decimals(currency: str) -> bool:
    """Whether amounts of a currency can have a fraction: USD can, JPY cannot."""
    return _UNITS[currency] < 1


def problem(amount: Decimal, currency: str | None) -> str | None:
    """What is wrong with an amount in its currency, as a sentence; None when nothing is. Any sign is right.

    Every amount of money that comes in is held against this: from clients (see `check`), files and other services.

    Args:
        currency: None where it is not known yet; then the amount may have the most decimals that any has.
    """
    if not amount.is_finite():
        return "Not an amount of money."
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:  # `abs` would round, which an exponent can be too large for
        return f"At most {MAX_AMOUNT}."
    unit = CENT if currency is None else _UNITS.get(currency)
    if unit is None:
        return "Not an ISO 4217 currency code."
    if amount == amount.quantize(unit):
        return None
    return f"{currency} has no decimals." if unit == 1 else f"At most {DECIMAL_PLACES} decimals."


def check(amount: Decimal, currency: str, *, field: str = "amount") -> None:
    """Let an amount pass that fits its currency.

    Raises:
        DoesNotFit: answered like any invalid field.
    """
    if (sentence := problem(amount, currency)) is not None:
        raise DoesNotFit(sentence, field=field)


def two_decimals(amount: Decimal) -> Decimal:
    """The same amount written with exactly two decimals."""
    return amount.quantize(CENT)
