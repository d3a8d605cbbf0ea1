"""Whether the three services' books agree: every order with its payment, its reservation and its events.

Read from the databases when nothing is on its way any more. Each check returns sentences; none means that all is well.
"""

import time
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.stack import LOOK_EVERY_S, STARTS_WITHIN_S, Stack

# What may stand in the payment ledger for an order of each status, None for no payment at all.
PAYMENTS_OF: dict[str, set[str | None]] = {
    "PAID": {"CAPTURED"},
    "PENDING": {None},
    "CANCELLED": {None, "FAILED", "VOIDED", "REFUNDED"},
    "REFUNDED": {"REFUNDED"},
}
RESERVATIONS_OF: dict[str, set[str | None]] = {
    "PAID": {"CONFIRMED"},
    "PENDING": {"HELD"},
    "CANCELLED": {None, "RELEASED"},
    "REFUNDED": {"RELEASED"},
}


def refused_for_good(stack: Stack) -> set[str]:
    """The orders whose money the gateway does not give back: it waits for a person, whatever became of the order."""
    rows = stack.services["payment_service"].rows(
        "select p.order_id from payments_payment p left join payments_refund r on r.payment_id = p.number "
        "where p.blocked_at is not null or r.blocked_at is not null"
    )
    return {order_id for (order_id,) in rows}


def problems_in(stack: Stack) -> list[str]:
    """Everything that does not add up."""
    return [*_orders(stack), *_stock(stack), *_events(stack)]


def problems_at_rest(stack: Stack, *, but: str | None = None) -> list[str]:
    """What does not add up for good: a paid order is answered first and closed behind the answer.

    `but` is in the sentences that are expected.
    """
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        found = [problem for problem in problems_in(stack) if but is None or but not in problem]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_EVERY_S)


def _orders(stack: Stack) -> list[str]:
    orders = stack.services["order_service"].rows("select id, status, total_amount, step from orders_order")
    payments = {
        order_id: (status, _money(amount), _money(captured))
        for order_id, status, amount, captured in stack.services["payment_service"].rows(
            "select order_id, status, amount, captured from payments_payment"
        )
    }
    reservations = dict(stack.services["product_stub"].rows("select id, status from catalog_reservation"))
    kept = refused_for_good(stack)
    found = []
    for hex_id, status, total, step in orders:
        order_id = str(UUID(hex_id))
        payment, amount, captured = payments.pop(order_id, (None, None, None))
        reservation = reservations.pop(order_id, None)
        is_kept = status == "CANCELLED" and payment == "CAPTURED" and order_id in kept
        if not (is_kept or payment in PAYMENTS_OF[status]) or reservation not in RESERVATIONS_OF[status]:
            found.append(f"order {order_id} is {status}, payment {payment}, reservation {reservation}")
        if status == "PAID" and not _money(total) == amount == captured:
            found.append(f"order {order_id} over {total}: payment over {amount}, captured {captured}")
        if step != "closed" and status != "PENDING":
            found.append(f"order {order_id} is {status}, but its step is {step}")
    found += [f"payment without an order: {order_id}" for order_id in payments]
    return found + [f"reservation without an order: {order_id}" for order_id in reservations]


def _stock(stack: Stack) -> list[str]:
    counted = stack.services["product_stub"].manage("check_invariants")
    return [] if counted.returncode == 0 else [counted.stdout + counted.stderr]


def _events(stack: Stack) -> list[str]:
    """Each order's events rise by one step at a time and end where the order is; each decision is told once."""
    service = stack.services["order_service"]
    told: dict[str, list[tuple[int, str]]] = {}
    for order_id, sequence, kind in service.rows("select aggregateid, sequence, type from events_event order by 1, 2"):
        told.setdefault(order_id, []).append((sequence, kind))
    found = []
    for hex_id, status, version in service.rows("select id, status, version from orders_order"):
        events = told.pop(str(UUID(hex_id)), [])
        kinds = Counter(kind for _, kind in events)
        expected = {
            "order.created": 1,
            "order.paid": int(status in ("PAID", "REFUNDED")),
            "order.cancelled": int(status == "CANCELLED"),
            "order.refunded": int(status == "REFUNDED"),
        }
        if any(kinds[kind] != count for kind, count in expected.items()) or events[-1][0] > version:
            found.append(f"order {UUID(hex_id)} is {status}, but its events are {events}")
    return found + [f"events without an order: {order_id}" for order_id in told]


def _money(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))
