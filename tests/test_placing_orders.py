"""An order's way through the three real services, seen from outside."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.client import Reply
from tests.stack import Stack, wait_until

ORDER_FIELDS = [
    "id",
    "number",
    "customer_name",
    "items",
    "total_amount",
    "currency",
    "status",
    "cancellation_reason",
    "created_at",
    "updated_at",
    "paid_at",
    "expires_at",
    "payment_status",
    "refunded_amount",
]


def place(stack: Stack, customer: str = "Alice", **more: Any) -> Reply:
    products = {} if "items" in more else {"product_ids": [1, 2]}
    return stack.orders.post("/api/orders/", {"customer_name": customer, **products, **more})


def events_of(stack: Stack, order_id: str) -> list[str]:
    return [event["type"] for event in stack.orders.get(f"/api/orders/{order_id}/events/").json["items"]]


def stock_of(stack: Stack, product_id: int) -> int:
    stock = stack.products.get(f"/api/products/{product_id}/").json["stock"]
    assert isinstance(stock, int)
    return stock


def a_product(stack: Stack, *, stock: int, price: str = "10.00") -> int:
    """A product of the test's own, so that nobody else's orders move its stock."""
    created = stack.products.post("/api/products/", {"name": "Thing", "price": price, "stock": stock})
    assert created.status == 201
    number = created.json["id"]
    assert isinstance(number, int)
    return number


def test_an_order_is_paid(stack: Stack) -> None:
    """201 PAID, with every field of the contract, exact amounts, and the payment in the ledger."""
    placed = place(stack)
    assert placed.status == 201
    order = placed.json
    assert list(order) == ORDER_FIELDS
    assert str(UUID(order["id"])) == order["id"]
    assert (order["customer_name"], order["currency"], order["total_amount"]) == ("Alice", "USD", Decimal("50.00"))
    assert (order["status"], order["payment_status"], order["cancellation_reason"]) == ("PAID", "COMPLETED", None)
    assert order["paid_at"] is not None
    assert order["expires_at"] is None
    assert all(order[name].endswith("Z") for name in ("created_at", "updated_at", "paid_at"))
    assert [(line["product_id"], line["quantity"], line["line_total"]) for line in order["items"]] == [
        (1, 1, Decimal("30.00")),
        (2, 1, Decimal("20.00")),
    ]
    assert '"total_amount":50.00,' in placed.text
    payment = stack.payments.get(f"/api/payments/{order['id']}/").json
    assert (payment["status"], payment["amount"]) == ("COMPLETED", Decimal("50.00"))


def test_an_order_is_found_by_id_and_by_number_with_and_without_a_slash(stack: Stack) -> None:
    """The same JSON as it was placed with."""
    order = place(stack).json
    for reference in (order["id"], order["number"], order["id"].upper()):
        for path in (f"/api/orders/{reference}/", f"/api/orders/{reference}"):
            shown = stack.orders.get(path)
            assert (shown.status, shown.json) == (200, order)


def test_repeated_ids_and_quantities_mean_the_same(stack: Stack) -> None:
    """One line per product, in the order in which they were first named."""
    by_ids = place(stack, product_ids=[2, 1, 2]).json
    by_items = place(stack, items=[{"product_id": 2, "quantity": 2}, {"product_id": 1, "quantity": 1}]).json
    assert by_ids["items"] == by_items["items"]
    assert by_ids["total_amount"] == by_items["total_amount"] == Decimal("70.00")


def test_stock_is_sold_with_the_order(stack: Stack) -> None:
    """Exactly as many units as were ordered."""
    product = a_product(stack, stock=5)
    assert place(stack, items=[{"product_id": product, "quantity": 3}]).status == 201
    assert stock_of(stack, product) == 2


@pytest.mark.parametrize(
    ("products", "reason", "total"),
    [
        ([1, 999999], "Product 999999 not found", "30.00"),
        ([999998, 999999], "Product 999998 not found", "0.00"),
        ([1, 6], "Product 6 is out of stock", "94.00"),
        ([6, 999999], "Product 6 is out of stock", "64.00"),
        ([999999, 6], "Product 999999 not found", "64.00"),
    ],
)
def test_an_order_that_cannot_be_supplied_is_cancelled(
    stack: Stack, products: list[int], reason: str, total: str
) -> None:
    """400 with the whole order and the reason of the first bad product; stored; nothing held, nothing charged."""
    held = stock_of(stack, 3)
    refused = place(stack, "Bob", product_ids=[*products, 3])
    assert refused.status == 400
    order = refused.json
    assert set(order) == {*ORDER_FIELDS, "error", "code"}
    assert (order["status"], order["cancellation_reason"], order["error"]) == ("CANCELLED", reason, reason)
    assert order["total_amount"] == Decimal(total) + Decimal("7.50")
    assert (order["payment_status"], order["paid_at"]) == (None, None)
    shown = stack.orders.get(f"/api/orders/{order['id']}/").json
    assert (shown["status"], shown["cancellation_reason"]) == ("CANCELLED", reason)
    assert stack.payments.get(f"/api/payments/{order['id']}/").status == 404
    assert stock_of(stack, 3) == held


def test_more_than_there_is_is_out_of_stock(stack: Stack) -> None:
    """Nothing of the order is taken, not even what there is."""
    product = a_product(stack, stock=2)
    refused = place(stack, items=[{"product_id": 1, "quantity": 1}, {"product_id": product, "quantity": 3}])
    assert (refused.status, refused.json["error"]) == (400, f"Product {product} is out of stock")
    assert stock_of(stack, product) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_name": "Alice"},
        {"product_ids": [1]},
        {"customer_name": "", "product_ids": [1]},
        {"customer_name": "   ", "product_ids": [1]},
        {"customer_name": None, "product_ids": [1]},
        {"customer_name": "Alice", "product_ids": []},
        {"customer_name": "Alice", "product_ids": None},
        {"customer_name": "Alice", "items": []},
    ],
)
def test_an_order_without_a_name_or_products_is_refused_without_a_trace(stack: Stack, body: dict[str, Any]) -> None:
    """The contract's sentence, and no order is stored."""
    before = stack.orders.get("/api/orders/").json["total"]
    refused = stack.orders.post("/api/orders/", body)
    assert (refused.status, refused.json["error"]) == (400, "customer_name and product_ids required")
    assert stack.orders.get("/api/orders/").json["total"] == before


def test_an_order_can_wait_for_its_payment(stack: Stack) -> None:
    """PENDING with its stock held until it expires; once paid elsewhere, looking again settles it."""
    product = a_product(stack, stock=5)
    placed = place(stack, items=[{"product_id": product, "quantity": 2}], payment="later")
    assert placed.status == 201
    order = placed.json
    assert (order["status"], order["payment_status"], order["paid_at"]) == ("PENDING", None, None)
    assert order["expires_at"] > order["created_at"]
    assert stock_of(stack, product) == 3
    look_again = f"/api/orders/{order['id']}/payment/"
    unpaid = stack.orders.post(look_again, {"status": "PAID", "payment_status": "COMPLETED"})
    assert (unpaid.status, unpaid.json["status"]) == (200, "PENDING")
    paid = stack.payments.post("/api/payments/", {"order_id": order["id"], "amount": "20.00"})
    assert (paid.status, paid.json["status"]) == (201, "COMPLETED")
    settled = stack.orders.post(look_again)
    assert (settled.status, settled.json["status"], settled.json["payment_status"]) == (200, "PAID", "COMPLETED")
    assert stack.orders.post(look_again).json == settled.json


def test_too_small_a_payment_does_not_settle_an_order(stack: Stack) -> None:
    """Only the whole total counts."""
    order = place(stack, payment="later").json
    stack.payments.post("/api/payments/", {"order_id": order["id"], "amount": "1.00"})
    looked = stack.orders.post(f"/api/orders/{order['id']}/payment/")
    assert (looked.status, looked.json["status"], looked.json["paid_at"]) == (200, "PENDING", None)


def test_a_waiting_order_can_be_cancelled(stack: Stack) -> None:
    """The stock comes back, and a late payment is refused by the tombstone."""
    product = a_product(stack, stock=5)
    order = place(stack, items=[{"product_id": product, "quantity": 2}], payment="later").json
    cancelled = stack.orders.post(f"/api/orders/{order['number']}/cancel/")
    assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLED")
    assert stock_of(stack, product) == 5
    late = stack.payments.post("/api/payments/", {"order_id": order["id"], "amount": "20.00"})
    assert (late.status, late.json["code"]) == (409, "payment_voided")


def test_a_paid_order_is_refunded_by_cancelling(stack: Stack) -> None:
    """The money and the stock come back, and only once."""
    product = a_product(stack, stock=5)
    order = place(stack, items=[{"product_id": product, "quantity": 2}]).json
    refunded = stack.orders.post(f"/api/orders/{order['id']}/cancel/")
    assert (refunded.status, refunded.json["status"]) == (200, "REFUNDED")
    assert stack.payments.get(f"/api/payments/{order['id']}/").json["status"] == "REFUNDED"
    assert stock_of(stack, product) == 5
    again = stack.orders.post(f"/api/orders/{order['id']}/cancel/")
    assert (again.status, again.json["code"]) == (409, "order_not_cancellable")
    assert stock_of(stack, product) == 5


def test_a_cancelled_order_cannot_be_cancelled_again(stack: Stack) -> None:
    """409."""
    order = place(stack, product_ids=[999999]).json
    assert stack.orders.post(f"/api/orders/{order['id']}/cancel/").status == 409


def test_the_trail_tells_what_happened(stack: Stack) -> None:
    """Oldest first, from created to closed."""
    paid = place(stack).json["id"]
    trail = wait_until(lambda: "order.closed" in (events := events_of(stack, paid)) and events)
    assert trail == ["order.created", "order.reserved", "order.paid", "order.closed"]
    cancelled = place(stack, product_ids=[999999]).json
    assert events_of(stack, cancelled["id"]) == ["order.created", "order.cancelled", "order.closed"]


def test_the_list_is_filtered_and_paged(stack: Stack) -> None:
    """Newest first; the page and the total of what the filter finds."""
    for _ in range(3):
        place(stack, "Lister")
    place(stack, "Lister", product_ids=[999999])
    everything = stack.orders.get("/api/orders/?customer_name=Lister&per_page=3").json
    assert (everything["page"], everything["per_page"], everything["total"]) == (1, 3, 4)
    numbers = [order["number"] for order in everything["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 3
    rest = stack.orders.get("/api/orders/?customer_name=Lister&per_page=3&page=2").json
    assert len(rest["items"]) == 1
    cancelled = stack.orders.get("/api/orders/?customer_name=Lister&status=CANCELLED").json
    assert [order["status"] for order in cancelled["items"]] == ["CANCELLED"]


@pytest.mark.parametrize(
    "query",
    ["status=paid", "status=", "page=0", "page=x", "per_page=201", "created_after=yesterday", "colour=red", "=1"],
)
def test_a_bad_filter_is_refused(stack: Stack, query: str) -> None:
    """400, never ignored."""
    refused = stack.orders.get(f"/api/orders/?{query}")
    assert (refused.status, refused.json["code"]) == (400, "invalid")


@pytest.mark.parametrize("reference", ["999999999", "0", "-1", "x", "9" * 40, "1e3", "%00", "a1b2c3d4-0000", "☃"])
@pytest.mark.parametrize(
    ("method", "ending"), [("GET", ""), ("GET", "events/"), ("POST", "cancel/"), ("POST", "payment/")]
)
def test_an_unknown_order_is_not_found(stack: Stack, reference: str, method: str, ending: str) -> None:
    """404 with the contract's sentence, however malformed the id."""
    missing = stack.orders.request(method, f"/api/orders/{reference}/{ending}")
    assert (missing.status, missing.json["error"]) == (404, "Order not found")


def test_a_key_makes_placing_repeatable(stack: Stack) -> None:
    """The same answer to the byte and one order; another body with the key is refused."""
    before = stack.orders.get("/api/orders/").json["total"]
    body = {"customer_name": "Alice", "product_ids": [1]}
    first = stack.orders.post("/api/orders/", body, key="place-1")
    repeat = stack.orders.post("/api/orders", body, key="place-1")
    other = stack.orders.post("/api/orders/", {**body, "product_ids": [2]}, key="place-1")
    assert (first.status, repeat.status, repeat.text) == (201, 201, first.text)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert stack.orders.get("/api/orders/").json["total"] == before + 1


@pytest.mark.parametrize("method", [{}, {"method": "card"}, {"payment_method": "UPI"}])
@pytest.mark.parametrize("token", ["tok_card_declined", "tok_card_decline"])
def test_a_token_that_is_to_decline_is_not_dropped(stack: Stack, method: dict[str, str], token: str) -> None:
    """With the method named by either name, or not at all; a mistyped token is declined, too. Nothing is taken."""
    placed = place(stack, **method, payment_method_details={"token": token})
    assert (placed.status, placed.json["cancellation_reason"]) == (400, "Payment failed")
    assert stack.payments.get(f"/v1/payments?order_id={placed.json['id']}&status=SUCCESS").json["total"] == 0


def test_an_unknown_method_leaves_no_order(stack: Stack) -> None:
    """400 naming the field, by either name."""
    before = stack.orders.get("/api/orders/").json["total"]
    for name in ("method", "payment_method"):
        refused = place(stack, **{name: "BARTER"})
        assert (refused.status, list(refused.json["fields"])) == (400, [name])
    assert stack.orders.get("/api/orders/").json["total"] == before


def test_the_request_id_goes_through_all_services(stack: Stack) -> None:
    """One id in the log of each, and in the answer."""
    placed = stack.orders.request(
        "POST",
        "/api/orders/",
        json={"customer_name": "Traced", "product_ids": [1]},
        headers={"X-Request-ID": "trace-me.1"},
    )
    assert placed.headers["X-Request-ID"] == "trace-me.1"
    for service in stack.services.values():
        assert '"request_id":"trace-me.1"' in service.log_text(), service.name


def test_no_log_has_a_token_or_a_body(stack: Stack) -> None:
    """What is confidential is in none of them."""
    place(stack, "Confidential Carla", payment_method="direct", payment_method_details={"token": "tok_confidential"})
    for service in stack.services.values():
        assert "tok_confidential" not in service.log_text()
        assert "Confidential Carla" not in service.log_text()
