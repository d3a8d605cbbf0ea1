"""Orders paid by card while the simulated gateway fails as its magic tokens say: charged once, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.books import problems_in
from tests.stack import Stack, wait_until


@pytest.fixture
def card_stack(make_stack: Callable[..., Stack]) -> Stack:
    """Both workers run, and what nobody answered in time is looked up soon."""
    stack = make_stack(
        settings={
            "payment_service": {
                "PAYMENT_LEASE_S": "2",
                "GATEWAY_TIMEOUT_S": "0.5",
                "GATEWAY_SLOW_S": "1",
                "PAYMENT_SETTLE_S": "3",
                "GATEWAY_DELAY_MS": "1-2",
                "GATEWAY_SUCCESS_RATE": "1",
            }
        }
    )
    stack.start_workers()
    return stack


def place_by_card(stack: Stack, token: str) -> Any:
    return stack.orders.post(
        "/api/orders/",
        {
            "customer_name": "Alice",
            "product_ids": [2],
            "payment_method": "CARD",
            "payment_method_details": {"token": token},
        },
    )


def taken_from(stack: Stack, order_id: str) -> int:
    """How many payments took this order's money, whatever became of it later."""
    found = stack.payments.get(f"/v1/payments?order_id={order_id}&status=SUCCESS").json
    return int(found["total"])


@pytest.mark.parametrize(
    ("token", "attempts"),
    [
        ("tok_ok", 1),
        ("tok_decline_then_approve", 2),
        ("tok_decline_twice_then_approve", 3),
        ("tok_unavailable_once", 2),
        ("tok_charge_then_lose_reply", 2),
        ("tok_lose_request", None),
        ("tok_slow", None),
    ],
)
def test_what_can_be_paid_is_paid_once(card_stack: Stack, token: str, attempts: int | None) -> None:
    """A soft decline, an outage, a lost reply, a lost request and an answer after the time-out."""
    placed = place_by_card(card_stack, token).json
    order_id = placed["id"]
    if attempts is None:  # whether it is known within the order's own deadline is a matter of time
        wait_until(
            lambda: card_stack.orders.get(f"/api/orders/{order_id}/").json["status"] in {"PAID", "CANCELLED"},
            what="the order ends",
        )
        held = card_stack.orders.get(f"/api/orders/{order_id}/").json["status"] == "PAID"
        wait_until(
            lambda: (
                card_stack.payments.get(f"/api/payments/{order_id}/").json["status"]
                in ({"COMPLETED"} if held else {"REFUNDED", "VOIDED", "FAILED"})
            ),
            what="the payment is where the order is",
        )
        assert taken_from(card_stack, order_id) <= 1
    else:
        events = card_stack.orders.get(f"/api/orders/{order_id}/events/").json["items"]
        assert (placed["status"], placed["payment_status"]) == ("PAID", "COMPLETED")
        assert len([event for event in events if event["type"] == "order.payment_retried"]) == attempts - 1
        assert taken_from(card_stack, order_id) == 1
    wait_until(lambda: not problems_in(card_stack), what="the books agree")


@pytest.mark.parametrize(
    ("token", "attempts"), [("tok_card_declined", 1), ("tok_insufficient_funds", 3), ("tok_unavailable", 3)]
)
def test_what_cannot_be_paid_is_cancelled_and_holds_nothing(card_stack: Stack, token: str, attempts: int) -> None:
    """A hard decline ends it at once; a soft one and an outage after two retries."""
    refused = place_by_card(card_stack, token)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    order_id = refused.json["id"]
    events = card_stack.orders.get(f"/api/orders/{order_id}/events/").json["items"]
    assert len([event for event in events if event["type"] == "order.payment_retried"]) == attempts - 1
    assert taken_from(card_stack, order_id) == 0
    late = card_stack.payments.post("/api/payments/", {"order_id": order_id, "amount": 20})
    assert (late.status, late.json["code"]) == (409, "payment_voided")
    wait_until(lambda: not problems_in(card_stack), what="the books agree")
