"""A stranger who knows every id takes no stock away from orders, and brings none back that is sold."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests import books
from tests.stack import Stack, wait_until

# Made for these tests, after those of the catalogue: of its own so much is there that nobody could hold all of it.
PRODUCT = 7
AT_ONCE = {"product_stub": {"RESERVATION_EXPIRES_AFTER_S": "0.2"}}


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack]) -> Stack:
    """With the stub's worker, for which everything that is held is due."""
    stack = make_module_stack(settings=AT_ONCE)
    stack.start_worker("product_stub")
    made = stack.products.post("/api/products/", {"name": "Rare", "price": "20.00", "stock": 50})
    assert (made.status, made.json["id"]) == (201, PRODUCT)
    return stack


def place(stack: Stack, **more: Any) -> str:
    placed = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [PRODUCT], **more})
    assert placed.status == 201
    return str(placed.json["id"])


def reservation(stack: Stack, order: str) -> str:
    return str(stack.products.get(f"/api/reservations/{order}/").json["status"])


def in_stock(stack: Stack) -> int:
    return int(stack.products.get(f"/api/products/{PRODUCT}/").json["stock"])


def release(stack: Stack, order: str, query: str = "") -> tuple[int, str | None]:
    reply = stack.products.request("DELETE", f"/api/reservations/{order}/{query}")
    return reply.status, (reply.json or {}).get("code")


def problems(stack: Stack) -> list[str]:
    """But for what strangers have reserved here."""
    return books.problems_at_rest(stack, but="reservation without an order")


def take(stack: Stack, reservation_id: str, quantity: int) -> int:
    items = {"items": [{"product_id": PRODUCT, "quantity": quantity}]}
    return stack.products.request("PUT", f"/api/reservations/{reservation_id}/", json=items).status


def test_sold_stock_of_a_paid_order_stays_sold(stack: Stack) -> None:
    """Until the order is refunded, and then it comes back once."""
    before, order = in_stock(stack), place(stack)
    wait_until(lambda: reservation(stack, order) == "CONFIRMED", what="the stock sold, behind the answer")
    assert release(stack, order) == (409, "reservation_confirmed")
    assert release(stack, order, "?return=true") == (409, "order_needs_stock")
    assert (reservation(stack, order), in_stock(stack)) == ("CONFIRMED", before - 1)
    assert problems(stack) == []
    assert stack.orders.post(f"/api/orders/{order}/cancel/").json["status"] == "REFUNDED"
    assert release(stack, order, "?return=true") == (204, None)
    assert (reservation(stack, order), in_stock(stack)) == ("RELEASED", before)


def test_stock_of_an_order_that_waits_stays_held(stack: Stack) -> None:
    """Neither a release nor its expiry takes it away; when the order is cancelled, it comes back."""
    before, order = in_stock(stack), place(stack, payment="later")
    assert release(stack, order) == (409, "order_needs_stock")
    stranger = str(uuid4())
    assert take(stack, stranger, 1) == 201
    wait_until(lambda: reservation(stack, stranger) == "RELEASED", what="the stranger's stock is back")
    assert (reservation(stack, order), in_stock(stack)) == ("HELD", before - 1)
    assert stack.orders.post(f"/api/orders/{order}/cancel/").json["status"] == "CANCELLED"
    assert in_stock(stack) == before


def test_what_a_stranger_confirmed_comes_back_with_its_orders_end(stack: Stack) -> None:
    """Not sold, for it was never paid; and the order does not wait for ever to get rid of it."""
    before, order = in_stock(stack), place(stack, payment="later")
    assert stack.products.post(f"/api/reservations/{order}/confirm/").status == 200
    assert stack.orders.post(f"/api/orders/{order}/cancel/").json["status"] == "CANCELLED"
    assert (reservation(stack, order), in_stock(stack)) == ("RELEASED", before)
    assert problems(stack) == []


@pytest.mark.parametrize("named_after", ["nothing", "the number of a paid order", "its id in capitals"])
def test_nobody_holds_all_stock_for_ever(stack: Stack, named_after: str) -> None:
    """Under whatever id: it comes back, and is sold again."""
    order = place(stack)
    number = str(stack.orders.get(f"/api/orders/{order}/").json["number"])
    hostage = {"nothing": str(uuid4()), "the number of a paid order": number}.get(named_after, order.upper())
    everything = in_stock(stack)
    assert take(stack, hostage, everything) == 201
    wait_until(lambda: in_stock(stack) == everything, what="all of it is back")
    assert reservation(stack, order) == "CONFIRMED"
    place(stack)


def test_while_orders_cannot_be_asked_nothing_sold_comes_back(stack: Stack) -> None:
    """503, to be repeated; what is held by nobody's order stays held until it can be known."""
    order, before = place(stack), in_stock(stack)
    wait_until(lambda: reservation(stack, order) == "CONFIRMED", what="the stock sold, behind the answer")
    stack.services["order_service"].kill()
    assert release(stack, order, "?return=true") == (503, "order_service_unavailable")
    stranger = str(uuid4())
    assert take(stack, stranger, 1) == 201
    worker = stack.services["product_stub"].manage("worker", "--once")
    assert worker.returncode == 0
    assert (reservation(stack, order), reservation(stack, stranger)) == ("CONFIRMED", "HELD")
    stack.restart("order_service")
    wait_until(lambda: reservation(stack, stranger) == "RELEASED", what="it is known that nobody needs it")
    assert in_stock(stack) == before
