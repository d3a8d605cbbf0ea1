"""An order whose payer has to confirm the payment at the bank's page: every way in which that ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.auditing import audit
from tests.client import Http, Reply
from tests.stack import Stack, wait_until

PRODUCT = 2  # 20.00


def an_order(stack: Stack, token: str = "tok_3ds_ok", **more: Any) -> dict[str, Any]:
    body = {"customer_name": "Alice", "product_ids": [PRODUCT], "payment_method": "CARD", **more}
    placed = stack.orders.post("/api/orders/", {**body, "payment_method_details": {"token": token}})
    assert (placed.status, placed.json["status"], placed.json["payment_status"]) == (201, "PENDING", "REQUIRES_ACTION")
    return dict(placed.json)


def page(order: dict[str, Any]) -> str:
    url: str = order["next_action"]["url"]
    return urlsplit(url).path


def answer(stack: Stack, path: str, said: str) -> Reply:
    """As a browser sends the page's form, from another connection than the test's own."""
    base = stack.payments.base_url
    return Http(base).request("POST", path, data={"answer": said}, headers={"Origin": base})


def shown(stack: Stack, order: dict[str, Any]) -> dict[str, Any]:
    return dict(stack.orders.get(f"/api/orders/{order['id']}/").json)


def ended(stack: Stack, order: dict[str, Any]) -> tuple[str, str | None, str, str]:
    """The order's status and reason, its payment's status, its stock's."""
    now = shown(stack, order)
    assert "next_action" not in now
    payment = stack.payments.get(f"/api/payments/{order['id']}/").json["status"]
    stock = stack.products.get(f"/api/reservations/{order['id']}/").json["status"]
    return now["status"], now["cancellation_reason"], payment, stock


def test_the_payer_confirms_and_the_order_is_paid(stack: Stack) -> None:
    """Once, though the form is sent twice and the mind changed; the page needs no script and cannot be framed."""
    order = an_order(stack)
    assert stack.products.get(f"/api/reservations/{order['id']}/").json["status"] == "HELD"
    assert shown(stack, order)["next_action"] == order["next_action"]
    asked = stack.payments.get(page(order))
    assert (asked.status, "<script" in asked.text, "20.00 USD" in asked.text) == (200, False, True)
    assert "default-src 'none'" in asked.headers["Content-Security-Policy"]
    for said in ("approve", "approve", "decline"):
        assert answer(stack, page(order), said).status == 303
    wait_until(lambda: shown(stack, order)["status"] == "PAID", what="the order is paid")
    wait_until(lambda: ended(stack, order)[3] == "CONFIRMED", what="its stock is sold")
    assert ended(stack, order) == ("PAID", None, "COMPLETED", "CONFIRMED")
    assert "Payment confirmed" in stack.payments.get(page(order)).text
    types = [event["type"] for event in stack.orders.get(f"/api/orders/{order['id']}/events/").json["items"]]
    assert types[:4] == ["order.created", "order.reserved", "order.requires_action", "order.paid"]


@pytest.mark.parametrize(("token", "said"), [("tok_3ds_ok", "decline"), ("tok_3ds_card_declined", "approve")])
def test_a_no_cancels_the_order(stack: Stack, token: str, said: str) -> None:
    """The payer's, or the bank's after the payer's yes. A yes after that takes nothing."""
    order = an_order(stack, token)
    assert answer(stack, page(order), said).status == 303
    wait_until(lambda: shown(stack, order)["status"] == "CANCELLED", what="the order has heard of it")
    assert answer(stack, page(order), "approve").status == 303
    assert ended(stack, order) == ("CANCELLED", "Payment failed", "FAILED", "RELEASED")


def test_confirmed_after_the_order_was_cancelled_takes_nothing(stack: Stack) -> None:
    """The page says that it is over; the stock is back."""
    order = an_order(stack)
    assert stack.orders.post(f"/api/orders/{order['id']}/cancel/").json["status"] == "CANCELLED"
    assert answer(stack, page(order), "approve").status == 303
    assert "Nothing to confirm any more" in stack.payments.get(page(order)).text
    assert ended(stack, order) == ("CANCELLED", "Cancelled on request", "VOIDED", "RELEASED")


def test_paid_later_it_is_confirmed_all_the_same(stack: Stack) -> None:
    """Through `/pay`, which says 202 and where; a no leaves the order to be paid with another card."""
    body = {"customer_name": "Alice", "product_ids": [PRODUCT], "payment": "later"}
    order = stack.orders.post("/api/orders/", body).json
    pay = {"order_id": order["id"], "amount": "20.00", "payment_method_details": {"token": "tok_3ds_ok"}}
    paid = stack.payments.post("/pay", pay)
    assert (paid.status, paid.json["message"]) == (202, "Payment pending")
    assert shown(stack, order)["next_action"] == paid.json["next_action"]
    answer(stack, page(paid.json), "decline")
    assert shown(stack, order)["status"] == "PENDING"
    again = stack.payments.post("/pay", pay)
    assert (again.status, again.json["next_action"]["url"] != paid.json["next_action"]["url"]) == (202, True)
    answer(stack, page(again.json), "approve")
    assert shown(stack, order)["status"] == "PAID"


def test_whatever_comes_together_the_books_agree(make_stack: Callable[..., Stack], tmp_path: Path) -> None:
    """A yes with a cancellation, with a void, with a no, with another yes, at the same moment: 3 orders of each."""
    stack = make_stack()
    stack.start_workers()
    orders: list[dict[str, Any]] = []
    with ThreadPoolExecutor(2) as clients:
        for other in ("cancel", "void", "decline", "approve"):
            for _ in range(3):
                order = an_order(stack)
                orders.append(order)
                list(clients.map(lambda move: move(), [yes(stack, order), OTHERS[other](stack, order)]))
    wait_until(lambda: all(shown(stack, each)["status"] != "PENDING" for each in orders), what="every order ends")
    wait_until(lambda: audit(stack, tmp_path, "--quiet-for", "0").status == 0, what="the books agree, nothing is left")
    assert {shown(stack, order)["status"] for order in orders} <= {"PAID", "CANCELLED", "REFUNDED"}


def yes(stack: Stack, order: dict[str, Any]) -> Callable[[], Reply]:
    return lambda: answer(stack, page(order), "approve")


def _post(base_url: str, path: str) -> Callable[[], Reply]:
    return lambda: Http(base_url).post(path)


OTHERS: dict[str, Callable[[Stack, dict[str, Any]], Callable[[], Reply]]] = {
    "cancel": lambda stack, order: _post(stack.orders.base_url, f"/api/orders/{order['id']}/cancel/"),
    "void": lambda stack, order: _post(stack.payments.base_url, f"/api/payments/{order['id']}/void/"),
    "decline": lambda stack, order: lambda: answer(stack, page(order), "decline"),
    "approve": yes,
}


@pytest.mark.parametrize("first", ["payment", "order"])
def test_abandoned_it_ends_by_itself(make_stack: Callable[..., Stack], tmp_path: Path, first: str) -> None:
    """When the payer's time is over, or the order's; a yes after that takes nothing, and the stock is back."""
    times = {"payment": ("2", "60"), "order": ("60", "2")}[first]
    settings = {
        "payment_service": {"PAYMENT_ACTION_EXPIRES_S": times[0]},
        "order_service": {"ORDER_EXPIRES_AFTER_S": times[1]},
    }
    stack = make_stack(settings=settings)
    stack.start_workers()
    order = an_order(stack)
    wait_until(lambda: shown(stack, order)["status"] == "CANCELLED", what="it is called off")
    wait_until(lambda: ended(stack, order)[2] in ("FAILED", "VOIDED"), what="its payment is over")
    wait_until(lambda: ended(stack, order)[3] == "RELEASED", what="its stock is back")
    answer(stack, page(order), "approve")
    status, reason, payment, _ = ended(stack, order)
    assert (status, reason) == ("CANCELLED", "Payment not received in time")
    assert payment in ("FAILED", "VOIDED")
    wait_until(lambda: audit(stack, tmp_path, "--quiet-for", "0").status == 0, what="the books agree, nothing is left")
