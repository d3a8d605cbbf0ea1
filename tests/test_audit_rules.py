"""What an order's three books must say to each other: every fitting triple passes, every other names its rule."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from audit import rules
from audit.rules import Order, Payment, Reservation, Scope, Seen

ITEMS = {"1": 2}
ORDER = Order("o", 5, "PAID", "closed", False, Decimal("50.00"), "USD", True, True, ITEMS)
PAYMENT = Payment("o", "p", 2, "CAPTURED", Decimal("50.00"), Decimal("0.00"), "USD", False, False)
RESERVATION = Reservation("o", "CONFIRMED", ITEMS)


def order(**changes: Any) -> Order:
    return replace(ORDER, **changes)


def payment(status: str, **changes: Any) -> Payment:
    captured = Decimal("50.00") if status in ("CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED") else Decimal("0.00")
    return replace(PAYMENT, **{"status": status, "captured": captured, **changes})


def reservation(status: str, **changes: Any) -> Reservation:
    return replace(RESERVATION, status=status, **changes)


EVERYTHING = Scope()


def broken(
    order: Order | None, payment: Payment | None, reservation: Reservation | None, scope: Scope = EVERYTHING
) -> list[str]:
    return [invariant.name for invariant, _ in rules.judge(Seen(order, payment, reservation), scope)]


CANCELLED, REFUNDED = order(status="CANCELLED"), order(status="REFUNDED")
WAITING = order(status="PENDING", step="reserved", is_waiting=True, may_be_charged=True)
TOMBSTONE = reservation("RELEASED", items={})


@pytest.mark.parametrize(
    ("order", "payment", "reservation"),
    [
        (ORDER, PAYMENT, RESERVATION),
        (ORDER, payment("PARTIALLY_REFUNDED", refunded=Decimal("5.00")), RESERVATION),
        (order(step="settled"), PAYMENT, reservation("HELD")),
        (order(step="refunding"), payment("REFUNDED"), RESERVATION),
        (ORDER, payment("REFUNDED", is_waiting=True), RESERVATION),
        (CANCELLED, payment("VOIDED", void_requested=True), TOMBSTONE),
        (CANCELLED, payment("REFUNDED", void_requested=True), reservation("RELEASED")),
        (CANCELLED, payment("FAILED", void_requested=True), reservation("RELEASED")),
        (CANCELLED, payment("CAPTURED", void_requested=True, is_waiting=True), reservation("RELEASED")),
        (order(status="CANCELLED", may_be_charged=False), None, TOMBSTONE),
        (order(status="CANCELLED", step="compensating"), PAYMENT, reservation("HELD")),
        (REFUNDED, payment("REFUNDED"), reservation("RELEASED")),
        (order(refund_blocked=True), PAYMENT, reservation("RELEASED")),
        (WAITING, None, reservation("HELD")),
        (WAITING, PAYMENT, reservation("HELD")),
        (order(status="PENDING", step="placed"), None, None),
        (order(status="PENDING", step="reserved"), payment("PROCESSING"), reservation("HELD")),
        (order(holds_stock=False), PAYMENT, None),
        (None, PAYMENT, None),
        (None, None, TOMBSTONE),
    ],
)
def test_what_fits_passes(order: Order | None, payment: Payment | None, reservation: Reservation | None) -> None:
    """At rest, and wherever an order may be on its way."""
    assert broken(order, payment, reservation) == []


@pytest.mark.parametrize(
    ("name", "order", "payment", "reservation"),
    [
        ("paid_is_captured_in_full", ORDER, None, RESERVATION),
        *(
            ("paid_is_captured_in_full", ORDER, payment(status), RESERVATION)
            for status in ("PROCESSING", "AUTHORIZED", "FAILED", "VOIDED", "REFUNDED")
        ),
        ("paid_is_captured_in_full", ORDER, payment("CAPTURED", captured=Decimal("49.99")), RESERVATION),
        ("paid_is_captured_in_full", ORDER, payment("CAPTURED", currency="EUR"), RESERVATION),
        ("paid_is_captured_in_full", order(step="settled"), payment("FAILED"), reservation("HELD")),
        *(
            ("cancelled_holds_no_money", ended, payment(status, void_requested=True), reservation("RELEASED"))
            for status in ("PROCESSING", "AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED")
            for ended in (CANCELLED, REFUNDED)
        ),
        ("cancelled_refuses_a_late_charge", CANCELLED, None, TOMBSTONE),
        ("cancelled_refuses_a_late_charge", CANCELLED, payment("FAILED"), TOMBSTONE),
        ("stock_follows_the_order", ORDER, PAYMENT, None),
        ("stock_follows_the_order", ORDER, PAYMENT, reservation("HELD")),
        ("stock_follows_the_order", ORDER, PAYMENT, reservation("RELEASED")),
        ("stock_follows_the_order", ORDER, PAYMENT, reservation("CONFIRMED", items={"1": 3})),
        ("stock_follows_the_order", WAITING, None, reservation("RELEASED")),
        ("stock_follows_the_order", CANCELLED, payment("VOIDED"), None),
        ("stock_follows_the_order", CANCELLED, payment("VOIDED"), reservation("HELD")),
        ("stock_follows_the_order", REFUNDED, payment("REFUNDED"), RESERVATION),
        ("nothing_without_its_order", None, None, reservation("HELD")),
        ("nothing_without_its_order", None, None, RESERVATION),
    ],
)
def test_what_does_not_fit_is_named(
    name: str, order: Order | None, payment: Payment | None, reservation: Reservation | None
) -> None:
    """By the one rule that it breaks."""
    assert broken(order, payment, reservation) == [name]


def test_what_is_compared_can_be_narrowed_and_widened() -> None:
    """Without the stub no stock; and where nobody else uses the ledger, no payment without an order of ours."""
    assert broken(ORDER, PAYMENT, None, Scope(stock=False)) == []
    assert broken(None, None, RESERVATION, Scope(stock=False)) == []
    assert broken(None, PAYMENT, None, Scope(no_strangers=True)) == ["nothing_without_its_order"]
    for status in ("VOIDED", "REFUNDED", "FAILED"):  # nothing is held any more, which is how it is put right
        assert broken(None, payment(status), None, Scope(no_strangers=True)) == []
