"""What the database itself refuses, whoever writes to it."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import TAKEN
from payment_service.tests.conftest import ORDER

pytestmark = pytest.mark.django_db


def a_row(**columns: Any) -> Payment:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "amount": "50.00",
        "currency": "USD",
        "method": "CARD",
        "status": "CAPTURED",
    }
    values |= {"reference": "R1", **columns}
    values.setdefault("taken", TAKEN.get(values["status"]))
    return Payment.objects.create(**values)


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "LOST"},
        {"taken": False},
        {"taken": None},
        {"status": "PROCESSING", "taken": True},
        {"amount": "0.00"},
        {"amount": "-1.00", "status": "PROCESSING"},
        {"captured": "50.01"},
        {"captured": "-0.01"},
        {"captured": "50.00", "booked": "50.01"},
        {"captured": "50.00", "booked": "10.00", "refunded": "10.01"},
        {"refunded": "-0.01"},
        {"status": "AUTHORIZED", "capture_asked": "50.01"},
        {"status": "AUTHORIZED", "capture_asked": "0.00"},
        {"token": "tok_ok"},
    ],
)
def test_a_row_that_cannot_be_true_is_refused(columns: dict[str, Any]) -> None:
    """Status, amounts and token are held by named constraints."""
    with pytest.raises(IntegrityError), transaction.atomic():
        a_row(**columns)
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "FAILED", "amount": "-3.00"},
        {"status": "VOIDED", "amount": "0.00"},
        {"status": "PROCESSING", "token": "tok_ok"},
        {"status": "REFUNDED", "captured": "50.00", "booked": "50.00", "refunded": "50.00"},
    ],
)
def test_the_odd_but_true_rows_fit(columns: dict[str, Any]) -> None:
    """A refused amount, a tombstone, a token while the answer is awaited, everything given back."""
    a_row(**columns)
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("same", ["order_id", "reference", "transaction_id"])
def test_one_payment_per_order_reference_and_transaction(same: str) -> None:
    """The unique columns are the last word, whatever the code above thinks."""
    first = a_row(transaction_id="txn_1")
    others = {"order_id": "7", "reference": "R2", "transaction_id": "txn_2"}
    with pytest.raises(IntegrityError), transaction.atomic():
        a_row(**{**others, same: getattr(first, same)})
    assert Payment.objects.count() == 1


def test_a_refund_is_over_something() -> None:
    """No refund of nothing, none of less."""
    payment = a_row(captured="50.00")
    for amount in ("0.00", "-1.00"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Refund.objects.create(payment=payment, amount=Decimal(amount), status="PENDING")
    assert Refund.objects.count() == 0
