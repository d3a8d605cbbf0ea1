"""Columns that the models of several services share."""

from decimal import Decimal
from typing import Any

from django.db import models

from servicekit import money


def amount_column(**options: Any) -> "models.DecimalField[Decimal, Decimal]":
    """A column for money as the wire has it: major units, two decimals, twelve digits."""
    return models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, **options)
