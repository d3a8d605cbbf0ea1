"""What a currency's smallest unit allows."""

from decimal import Decimal

import pytest

from servicekit import money


@pytest.mark.parametrize(
    ("code", "known"),
    [("USD", True), ("JPY", True), ("KWD", True), ("usd", False), ("XXX", False), ("XAU", False), ("", False)],
)
def test_a_currency_is_one_that_people_pay_with(code: str, known: bool) -> None:
    """ISO 4217 in capitals; metals and test codes have no smallest unit and are none."""
    assert money.is_currency(code) is known


@pytest.mark.parametrize(
    ("amount", "currency", "fits"),
    [
        ("1.50", "USD", True),
        ("1.505", "USD", False),
        ("100", "JPY", True),
        ("100.00", "JPY", True),
        ("100.50", "JPY", False),
        ("1.50", "KWD", True),
        ("1.505", "KWD", False),
    ],
)
def test_an_amount_has_no_finer_unit_than_its_currency(amount: str, currency: str, fits: bool) -> None:
    """Yen have no fractions; three-decimal currencies are kept with two."""
    assert money.fits(Decimal(amount), currency) is fits


def test_amounts_are_written_with_two_decimals() -> None:
    """The wire's form, for whole amounts too."""
    assert str(money.two_decimals(Decimal("5"))) == "5.00"
    assert str(money.MAX_AMOUNT) == "9999999999.99"
