"""Orders paid by card while the simulated gateway fails as its magic tokens say: charged once, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.books import problems_at_rest
from tests.stack import Stack, wait_until


@pytest.fixture(scope="module")
def card_stack(make_module_stack: Callable[..., Stack]) -> Stack:
    """Both workers run, and what nobody answered in time is looked up soon. No circuit opens over all this."""
    stack = make_module_stack(
        settings={
            "payment_service": {
                "BREAKER_FAILURES": "100000",
                "PAYMENT_LEASE_S": "2",
                "GATEWAY_TIMEOUT_S": "0.5",
                "GATEWAY_SLOW_S": "1",
                "PAYMENT_SETTLE_S": "3",
                "GATEWAY_DELAY_MS": "1-2",
                "GATEWAY_SUCCESS_RATE": "1",
            },
            "order_service": {"BREAKER_FAILURES": "100000"},
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
        ("tok_charge_then_lose_reply", None),
        ("tok_lose_request", None),
        ("tok_slow", None),
    ],
)
def test_what_can_be_paid_is_paid_once(card_stack: Stack, token: str, attempts: int | None) -> None:
    """A soft decline, an outage, a lost reply, a lost request and an answer after the time-out."""
    placed = place_by_card(card_stack, token).json
    order_id = placed["id"]
    if attempts is None:  # which attempt finds out, and whether within the order's own deadline, is a matter of time
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
        assert (placed["status"], placed["payment_status"]) == ("PAID", "COMPLETED")
        assert events_of(card_stack, order_id).count("order.payment_retried") == attempts - 1
        assert taken_from(card_stack, order_id) == 1
    assert problems_at_rest(card_stack) == []


@pytest.mark.parametrize(
    ("token", "attempts"), [("tok_card_declined", 1), ("tok_insufficient_funds", 3), ("tok_unavailable", 3)]
)
def test_what_cannot_be_paid_is_cancelled_and_holds_nothing(card_stack: Stack, token: str, attempts: int) -> None:
    """A hard decline ends it at once; a soft one and an outage after two retries."""
    refused = place_by_card(card_stack, token)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    order_id = refused.json["id"]
    assert events_of(card_stack, order_id).count("order.payment_retried") == attempts - 1
    assert taken_from(card_stack, order_id) == 0
    late = card_stack.payments.post("/api/payments/", {"order_id": order_id, "amount": 20})
    assert (late.status, late.json["code"]) == (409, "payment_voided")
    assert problems_at_rest(card_stack) == []


def cancel(stack: Stack, order_id: str) -> Any:
    return stack.orders.post(f"/api/orders/{order_id}/cancel/", {})


def events_of(stack: Stack, order_id: str) -> list[str]:
    return [event["type"] for event in stack.orders.get(f"/api/orders/{order_id}/events/").json["items"]]


def shown(stack: Stack, order_id: str) -> Any:
    return stack.orders.get(f"/api/orders/{order_id}/").json


def record_of(stack: Stack, order_id: str) -> Any:
    return stack.payments.get(f"/api/v1/payments/order/{order_id}").json


def test_money_goes_back_once_or_waits_for_a_person(card_stack: Stack) -> None:
    """Refused for now: refunded soon, in the same refund. For good: paid and said so, asked for once, and settled by
    hand. On its way: 202, and not once more."""
    now, never, lost = (
        place_by_card(card_stack, f"tok_refund_{token}").json["id"]
        for token in ("fails_once", "fails", "then_lose_reply")
    )
    assert cancel(card_stack, now).status == 202
    refused = cancel(card_stack, never)
    reason = "The money could not be given back"
    assert (refused.status, refused.json["status"], refused.json["refund_blocked"]) == (202, "PAID", reason)

    part = {"transaction_id": record_of(card_stack, lost)["transaction_id"], "amount": "5.00"}
    first = card_stack.payments.post("/api/v1/payments/refund", part)
    again = card_stack.payments.post("/api/v1/payments/refund", part)
    assert (first.status, first.json["success"], first.json["status"]) == (202, True, "pending")
    assert (again.status, again.json["code"], again.json["refund_id"]) == (
        409,
        "refund_pending",
        first.json["refund_id"],
    )

    wait_until(lambda: shown(card_stack, now)["status"] == "REFUNDED", what="what was refused for now is refunded")
    assert [(each["status"], each["attempts"]) for each in record_of(card_stack, now)["refunds"]] == [("succeeded", 2)]
    # An order shows what its payment says now; that it knows it by itself, its event says.
    wait_until(lambda: events_of(card_stack, lost).count("order.partially_refunded") == 1, what="the part is known")
    assert str(shown(card_stack, lost)["refunded_amount"]) == "5.00"

    kept = record_of(card_stack, never)
    assert [(each["status"], each["attempts"]) for each in kept["refunds"]] == [("failed", 1)]
    assert (kept["blocked"]["operation"], shown(card_stack, never)["refund_blocked"]) == ("refund", reason)
    service = card_stack.services["payment_service"]
    ((number,),) = service.rows("select number from payments_payment where order_id = ?", never)
    settled = service.manage("blocked_payments", "--settle", str(number), "--reason", "Paid back by bank transfer")
    assert settled.returncode == 0, settled.stderr
    wait_until(lambda: shown(card_stack, never)["status"] == "REFUNDED", what="the order has heard of it")
    assert "refund_blocked" not in shown(card_stack, never)
    cancel(card_stack, lost)
    wait_until(lambda: shown(card_stack, lost)["status"] == "REFUNDED", what="the rest is refunded")
    assert [str(each["amount"]) for each in record_of(card_stack, lost)["refunds"]] == ["5.00", "15.00"]
    assert problems_at_rest(card_stack) == []
