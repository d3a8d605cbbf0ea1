"""Amounts of money: major units, at most two decimals and twelve digits, together with an ISO 4217 currency code."""

from decimal import Decimal
from typing import Final

import iso4217

# What the ledger's columns and the wire both hold: 9,999,999,999.99.
MAX_DIGITS: Final = 12
DECIMAL_PLACES: Final = 2
MAX_AMOUNT: Final = Decimal(10) ** (MAX_DIGITS - DECIMAL_PLACES) - Decimal("0.01")
CENT: Final = Decimal("0.01")

# ISO 4217 gives funds, metals and test codes (XAU, XXX) no exponent: nobody pays an order with those.
_EXPONENTS: Final[dict[str, int]] = {
    currency.code: exponent for currency in iso4217.Currency if (exponent := currency.exponent) is not None
}


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 code (upper case) of a currency that has a smallest unit."""
    return code in _EXPONENTS


def fits(amount: Decimal, currency: str) -> bool:
    """Whether the amount has no finer unit than the currency has (JPY none, USD cents).

    Currencies with three decimals are kept with two, as the wire is.
    """
    exponent = min(_EXPONENTS[currency], DECIMAL_PLACES)
    return amount == amount.quantize(Decimal(1).scaleb(-exponent))


def two_decimals(amount: Decimal) -> Decimal:
    """The same amount written with exactly two decimals."""
    return amount.quantize(CENT)
