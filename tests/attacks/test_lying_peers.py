"""Peers that lie, or live at another address: each order ends, and no good order waits for a bad one.

Scripted peers stand in the product and the payment service's places, beside a real order service with its worker.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.client import Reply
from tests.peers import Answer, Call, scripted_peer
from tests.stack import Stack, wait_until

OF_HTML = Answer(404, "not an object")
NOT_FOUND = Answer(404, {"error": "Payment not found"})
KEYBOARD = {"product_id": 1, "name": "Keyboard", "unit_price": 30.0, "quantity": 1}


@dataclass
class Peers:
    """What both peers answer: `lines` to a reservation, and a payment service with seed 000's two routes alone."""

    lines: Any = field(default_factory=lambda: [KEYBOARD])
    reserving: Answer | None = None
    payment: dict[str, Any] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    paid: dict[str, dict[str, Any]] = field(default_factory=dict)
    voids: list[str] = field(default_factory=list)

    def products(self, call: Call, _: int) -> Answer:
        if call.method == "DELETE":
            self.released.append(call.path.split("/")[3])
            return Answer(204)
        if call.method == "PUT":
            return self.reserving or Answer(201, {"id": "x", "status": "HELD", "items": self.lines})
        return Answer(200, {"id": "x", "status": "CONFIRMED", "items": self.lines})

    def payments(self, call: Call, _: int) -> Answer:
        if call.path.endswith("/void/"):
            self.voids.append(call.path.split("/")[3])
            return OF_HTML
        if call.method == "GET":
            found = self.paid.get(call.path.split("/")[3])
            return Answer(200, found) if found else NOT_FOUND
        body = {
            "id": "f9a1b2c3-d4e5-6789-abcd-ef0123456789",
            "status": "COMPLETED",
            "timestamp": "2025-11-10T12:00:00Z",
        }
        body |= {"order_id": call.json["order_id"], "amount": call.json["amount"], **self.payment}
        if body["status"] == "COMPLETED" and not self.payment:
            self.paid[call.json["order_id"]] = body
        return Answer(201, body)


@pytest.fixture(scope="module")
def scripts() -> Peers:
    return Peers()


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack], scripts: Peers) -> Iterator[Stack]:
    with scripted_peer(scripts.products) as products, scripted_peer(scripts.payments) as payments:
        stack = make_module_stack(peers={"product_stub": products.url, "payment_service": payments.url})
        stack.start_worker("order_service")
        yield stack


@pytest.fixture(autouse=True)
def honest(scripts: Peers) -> None:
    """Each test begins with peers that say the truth."""
    vars(scripts).update(vars(Peers()))


def place(stack: Stack, **more: Any) -> Reply:
    return stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1], **more})


def unfinished(stack: Stack) -> list[str]:
    return [order["id"] for order in stack.orders.get("/api/orders/?unfinished_for=0").json["items"]]


def is_closed(stack: Stack, order_id: str) -> bool:
    events = stack.orders.get(f"/api/orders/{order_id}/events/").json["items"]
    return bool(events[-1]["type"] == "order.closed")


LIES: dict[str, Any] = {
    "999 for one": [{**KEYBOARD, "quantity": 999}],
    "minus one": [{**KEYBOARD, "quantity": -1}],
    "an extra line": [KEYBOARD, {**KEYBOARD, "product_id": 2}],
    "another product": [{**KEYBOARD, "product_id": 2}],
    "a line twice": [KEYBOARD, KEYBOARD],
    "no line": [],
    "a price below zero": [{**KEYBOARD, "unit_price": -5.0}],
    "no number": [{**KEYBOARD, "unit_price": float("nan")}],
    "true": [{**KEYBOARD, "unit_price": True}],
    "an underscore": [{**KEYBOARD, "unit_price": "5_0"}],
    "another script": [{**KEYBOARD, "unit_price": "\u0665"}],
    "a tenth of a cent": [{**KEYBOARD, "unit_price": 10.005}],
    "more than there is": [{**KEYBOARD, "unit_price": 10**40}],
    "null": None,
}


def test_no_lie_of_a_product_service_is_believed(stack: Stack, scripts: Peers) -> None:
    """503 with the order CANCELLED, a reason, and what may be held released; nothing is charged, nothing is pending."""
    for name, lines in LIES.items():
        scripts.lines = lines
        refused = place(stack)
        assert refused.status == 503, name
        assert (refused.json["status"], refused.json["code"]) == ("CANCELLED", "product_service_unusable"), name
        assert refused.json["error"] == refused.json["cancellation_reason"] == "Product service gave no usable answer"
        assert refused.json["id"] in scripts.released, name
        assert is_closed(stack, refused.json["id"]), name
    assert scripts.paid == {}
    assert unfinished(stack) == []
    scripts.lines = [KEYBOARD]
    assert place(stack).json["status"] == "PAID"


def test_the_same_key_places_a_new_order_when_the_product_service_is_mended(stack: Stack, scripts: Peers) -> None:
    """503 and `Retry-After` lead somewhere."""
    order = {"customer_name": "Alice", "product_ids": [1]}
    scripts.reserving = OF_HTML
    refused = stack.orders.post("/api/orders/", order, key="again")
    assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    scripts.reserving = None
    placed = stack.orders.post("/api/orders/", order, key="again")
    assert (placed.status, placed.json["status"]) == (201, "PAID")
    assert placed.json["id"] != refused.json["id"]


def test_a_payment_of_another_order_pays_nothing_and_keeps_no_other_waiting(stack: Stack, scripts: Peers) -> None:
    """COMPLETED, for somebody else: not believed; the order is cancelled, and good orders go on beside it."""
    scripts.payment = {"order_id": "7d1f6a0e-0000-4000-8000-000000000000"}
    refused = place(stack)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    scripts.payment = {}
    assert place(stack).json["status"] == "PAID"
    log = stack.services["order_service"].log_text()
    assert "http.unusable_answer" in log
    assert "order_id is not the one that was asked for" in log


def test_a_payment_service_without_a_void_is_not_asked_for_ever(stack: Stack, scripts: Peers) -> None:
    """Seed 000's two routes: an order that nobody has paid is done with at once when it is cancelled."""
    order = place(stack, payment="later").json
    cancelled = stack.orders.post(f"/api/orders/{order['id']}/cancel/")
    assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLED")
    wait_until(lambda: is_closed(stack, order["id"]), within_s=120.0)
    assert scripts.voids.count(order["id"]) == 1
    assert order["id"] not in unfinished(stack)


def test_money_that_cannot_be_given_back_is_seen(stack: Stack, scripts: Peers) -> None:
    """A paid order of a payment service that has no refund: it stays PAID, and says why; REFUNDED once it was."""
    order = place(stack).json
    stack.orders.post(f"/api/orders/{order['id']}/cancel/")
    shown = stack.orders.get(f"/api/orders/{order['id']}/").json
    assert (shown["status"], shown["refund_blocked"]) == ("PAID", "The payment service has no void")
    assert scripts.voids.count(order["id"]) == 1
    scripts.paid[order["id"]]["status"] = "REFUNDED"
    settled = stack.orders.post(f"/api/orders/{order['id']}/payment/").json
    assert (settled["status"], order["id"] in scripts.released) == ("REFUNDED", True)
