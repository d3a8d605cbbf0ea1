"""An order that is paid later, through another door: who may settle it, and what a refund does to it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.client import Http, Reply
from tests.stack import Stack, wait_until

PRODUCT = 2  # 20.00


def an_order(stack: Stack, **more: Any) -> dict[str, Any]:
    placed = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [PRODUCT], **more})
    assert placed.status == 201
    return dict(placed.json)


def an_unpaid_order(stack: Stack) -> dict[str, Any]:
    return an_order(stack, payment="later")


def pay(stack: Stack, order_id: Any, amount: str) -> Reply:
    return stack.payments.post("/pay", {"order_id": order_id, "amount": amount})


def status_of(stack: Stack, order: dict[str, Any]) -> str:
    return str(stack.orders.get(f"/api/orders/{order['id']}/").json["status"])


@pytest.mark.parametrize("named_by", ["id", "number"])
def test_paying_the_right_amount_settles_the_order(stack: Stack, named_by: str) -> None:
    """200 as in the seed, the order PAID at once, its stock sold; by UUID and by order number."""
    order = an_unpaid_order(stack)
    paid = pay(stack, order[named_by], "20.00")
    assert (paid.status, list(paid.json)) == (200, ["message", "order_id", "payment_id"])
    assert (paid.json["message"], paid.json["order_id"]) == ("Payment successful", order[named_by])
    shown = stack.orders.get(f"/api/orders/{order['id']}/").json
    assert (shown["status"], shown["payment_status"]) == ("PAID", "COMPLETED")
    assert stack.products.get(f"/api/reservations/{order['id']}/").json["status"] == "CONFIRMED"


def test_each_refusal_has_the_seeds_sentence(stack: Stack) -> None:
    """Unknown order, wrong amount, wrong status; and nothing is charged by any of them."""
    assert (pay(stack, 987654321, "20.00").status, pay(stack, 987654321, "20.00").json["error"]) == (
        404,
        "Order not found",
    )
    order = an_unpaid_order(stack)
    wrong = pay(stack, order["id"], "19.99")
    assert (wrong.status, wrong.json["error"]) == (400, "Incorrect payment amount (expected 20.00)")
    assert stack.payments.get(f"/api/payments/{order['id']}/").status == 404
    assert pay(stack, order["id"], "20.00").status == 200
    again = pay(stack, order["id"], "20.00")
    assert (again.status, again.json["error"]) == (400, "Order status is 'paid', cannot pay")


def test_two_at_once_are_one_charge(stack: Stack) -> None:
    """Both may say that it is paid; the money moved once."""
    order = an_unpaid_order(stack)

    def once(_: int) -> Reply:
        return Http(stack.payments.base_url).post("/pay", {"order_id": order["id"], "amount": "20.00"})

    with ThreadPoolExecutor(2) as clients:
        replies = list(clients.map(once, range(2)))
    assert {reply.status for reply in replies} <= {200, 400}
    assert 200 in {reply.status for reply in replies}
    assert status_of(stack, order) == "PAID"
    listed = stack.payments.get(f"/v1/payments?order_id={order['id']}").json
    assert (listed["total"], listed["items"][0]["status"]) == (1, "SUCCESS")


@pytest.mark.parametrize(
    ("currency", "captured"), [("JPY", None), ("EUR", None), ("USD", "0.01")], ids=["yen", "euros", "a cent of it"]
)
def test_other_money_than_was_asked_for_does_not_settle(stack: Stack, currency: str, captured: str | None) -> None:
    """Neither another currency nor a part of the amount; and when the order ends, that money goes back."""
    order = an_unpaid_order(stack)
    asked = {
        "order_id": order["id"],
        "amount": 20,
        "currency": currency,
        "payment_method": "credit_card",
        "payment_method_details": {"token": "tok_ok"},
        "capture": captured is None,
    }
    transaction = stack.payments.post("/api/v1/payments/process", asked).json["transaction_id"]
    if captured is not None:
        part = stack.payments.post("/api/v1/payments/capture", {"transaction_id": transaction, "amount": captured})
        assert part.json["success"] is True
    assert stack.orders.post(f"/api/orders/{order['id']}/payment/").json["status"] == "PENDING"
    assert stack.orders.post(f"/api/orders/{order['id']}/cancel/").json["status"] == "CANCELLED"
    assert stack.payments.get(f"/api/payments/{order['id']}/").json["status"] == "REFUNDED"


def test_an_order_service_that_is_away_charges_nobody(make_stack: Callable[..., Stack]) -> None:
    """503 with Retry-After; when it is back the same request pays."""
    stack = make_stack()
    order = an_unpaid_order(stack)
    stack.services["order_service"].kill()
    refused = pay(stack, order["id"], "20.00")
    assert refused.status == 503
    assert refused.headers["Retry-After"]
    assert stack.payments.get(f"/api/payments/{order['id']}/").status == 404
    stack.restart("order_service")
    assert pay(stack, order["id"], "20.00").status == 200
    assert status_of(stack, order) == "PAID"


def test_an_order_catches_up_by_itself(make_stack: Callable[..., Stack]) -> None:
    """Charged while the order service was away: the money is recorded once, and the notice is repeated until heard."""
    stack = make_stack()
    order = an_unpaid_order(stack)
    stack.services["order_service"].kill()
    charged = {"order_id": order["id"], "amount": 20, "payment_method_details": {"token": "tok_ok"}}
    assert stack.payments.post("/v1/payments/charge", charged).json["status"] == "SUCCESS"
    stack.restart("order_service")
    assert status_of(stack, order) == "PENDING"
    stack.start_worker("payment_service")
    wait_until(lambda: status_of(stack, order) == "PAID", what="the order learns of its payment")
    assert stack.payments.get(f"/v1/payments?order_id={order['id']}").json["total"] == 1


def test_a_full_refund_reaches_the_order_and_a_partial_one_shows(make_stack: Callable[..., Stack]) -> None:
    """Partial: PAID with PARTIALLY_REFUNDED. The rest: REFUNDED once the notice is heard, and the stock is back."""
    stack = make_stack()
    stack.start_worker("payment_service")
    order = an_order(stack, payment_method="credit_card", payment_method_details={"token": "tok_ok"})
    record = stack.payments.get(f"/api/v1/payments/order/{order['id']}").json
    refund = {"transaction_id": record["transaction_id"], "amount": "5.00"}
    assert stack.payments.post("/api/v1/payments/refund", refund).json["success"] is True
    shown = stack.orders.get(f"/api/orders/{order['id']}/").json
    assert (shown["status"], shown["payment_status"]) == ("PAID", "PARTIALLY_REFUNDED")
    rest = stack.payments.post("/api/v1/payments/refund", {"transaction_id": record["transaction_id"]}).json
    assert (rest["success"], rest["amount"]) == (True, Decimal("15.00"))
    wait_until(lambda: status_of(stack, order) == "REFUNDED", what="the order learns of its refund")
    assert stack.orders.get(f"/api/orders/{order['id']}/").json["payment_status"] == "REFUNDED"
    assert stack.products.get(f"/api/reservations/{order['id']}/").json["status"] == "RELEASED"
    assert "order.refunded" in [
        event["type"] for event in stack.orders.get(f"/api/orders/{order['id']}/events/").json["items"]
    ]
