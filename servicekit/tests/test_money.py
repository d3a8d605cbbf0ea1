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
    ("amount", "currency", "problem"),
    [
        ("1.50", "USD", None),
        ("1.500", "USD", None),
        ("-1.50", "USD", None),
        ("1.505", "USD", "At most 2 decimals."),
        ("100", "JPY", None),
        ("100.00", "JPY", None),
        ("100.50", "JPY", "JPY has no decimals."),
        ("0.01", "KRW", "KRW has no decimals."),
        ("19.99", "CLP", "CLP has no decimals."),
        ("1.50", "KWD", None),
        ("1.505", "KWD", "At most 2 decimals."),
        ("9999999999.99", "USD", None),
        ("10000000000.00", "USD", "At most 9999999999.99."),
        ("-10000000000.00", "USD", "At most 9999999999.99."),
        ("1e40", "JPY", "At most 9999999999.99."),
        ("1e999999999999", "USD", "At most 9999999999.99."),
        ("-1e999999999999", "USD", "At most 9999999999.99."),
        ("1e-999999999999", "USD", "At most 2 decimals."),
        ("1e-40", "JPY", "JPY has no decimals."),
        ("NaN", "USD", "Not an amount of money."),
        ("sNaN", "USD", "Not an amount of money."),
        ("-Infinity", "JPY", "Not an amount of money."),
        ("1.25", None, None),
        ("1.255", None, "At most 2 decimals."),
        ("1.00", "XAU", "Not an ISO 4217 currency code."),
        ("1.00", "", "Not an ISO 4217 currency code."),
    ],
)
def test_an_amount_fits_its_currency_or_a_sentence_says_why_not(
    amount: str, currency: str | None, problem: str | None
) -> None:
    """Yen have no fractions; three-decimal currencies are kept with two; twelve digits are the most."""
    assert money.problem(Decimal(amount), currency) == problem


def test_an_amount_that_does_not_fit_is_refused_like_any_invalid_field() -> None:
    """The sentence, the code and the field of a 400."""
    with pytest.raises(money.DoesNotFit) as refusal:
        money.check(Decimal("19.99"), "JPY", field="price")
    assert refusal.value.message == "price: JPY has no decimals."
    assert (refusal.value.code, refusal.value.fields) == ("invalid", {"fields": {"price": ["JPY has no decimals."]}})
    money.check(Decimal("1999.00"), "JPY")


def test_amounts_are_written_with_two_decimals() -> None:
    """The wire's form, for whole amounts too."""
    assert str(money.two_decimals(Decimal("5"))) == "5.00"
    assert str(money.MAX_AMOUNT) == "9999999999.99"
