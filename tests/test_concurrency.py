"""Many clients at once over real HTTP: no error, nothing lost, nothing twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests import books
from tests.client import Http, Reply
from tests.stack import Stack

CLIENTS = 8
ORDERS_EACH = 200
AT_ONCE = 30


@pytest.fixture
def quiet_stack(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack of the test's own, whose books are checked at the end."""
    running = make_stack()
    yield running
    assert books.problems_in(running) == []


def all_at_once(count: int, call: Callable[[int], Reply]) -> list[Reply]:
    """Make `count` calls that start in the same moment, each from a thread of its own."""
    start = Barrier(count)

    def run(number: int) -> Reply:
        start.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_eight_clients_place_two_hundred_orders_each(quiet_stack: Stack) -> None:
    """1,600 orders: every one paid once, every unit sold once, every event there once."""
    url = quiet_stack.orders.base_url

    def shop(client: int) -> list[Reply]:
        http = Http(url)
        body = {"customer_name": f"Client {client}", "product_ids": [1, 2, 2]}
        return [http.post("/api/orders/", body) for _ in range(ORDERS_EACH)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = [reply for placed in pool.map(shop, range(CLIENTS)) for reply in placed]

    total = CLIENTS * ORDERS_EACH
    assert Counter((reply.status, reply.json["status"]) for reply in replies) == {(201, "PAID"): total}
    assert len({reply.json["id"] for reply in replies}) == total
    assert sorted(reply.json["number"] for reply in replies) == list(range(1, total + 1))
    for client in range(CLIENTS):
        listed = quiet_stack.orders.get(f"/api/orders/?customer_name=Client {client}&status=PAID&per_page=1")
        assert listed.json["total"] == ORDERS_EACH
    sold = dict(quiet_stack.services["product_stub"].rows("select id, sold from catalog_product where id < 3"))
    assert sold == {1: total, 2: 2 * total}
    ((captured, count),) = quiet_stack.services["payment_service"].rows(
        "select sum(captured), count(*) from payments_payment where status = 'CAPTURED'"
    )
    assert (captured, count) == (total * 70, total)
    ((events,),) = quiet_stack.services["payment_service"].rows("select count(*) from events_event")
    assert events == total


def test_one_key_thirty_times_at_once_is_one_order(quiet_stack: Stack) -> None:
    """One runs; the others replay its answer or are told that it is still running, and later get that answer."""
    body = {"customer_name": "Alice", "product_ids": [1, 2]}
    replies = all_at_once(
        AT_ONCE, lambda _: Http(quiet_stack.orders.base_url).post("/api/orders/", body, key="all-at-once")
    )
    seen = Counter((reply.status, reply.headers.get("Idempotent-Replayed")) for reply in replies)
    assert seen[201, None] == 1
    assert seen[201, "true"] + seen[409, None] == AT_ONCE - 1
    assert {reply.json["code"] for reply in replies if reply.status == 409} <= {"idempotency_key_in_use"}
    assert len({reply.text for reply in replies if reply.status == 201}) == 1
    after = quiet_stack.orders.post("/api/orders/", body, key="all-at-once")
    assert (after.status, after.text) == (201, next(reply.text for reply in replies if reply.status == 201))
    assert quiet_stack.orders.get("/api/orders/").json["total"] == 1
    assert quiet_stack.services["payment_service"].rows("select count(*) from payments_payment") == [(1,)]


@pytest.mark.parametrize("key", [None, "pay-once"])
def test_one_order_is_paid_once_by_thirty_at_once(make_stack: Callable[..., Stack], key: str | None) -> None:
    """One COMPLETED payment, and everybody is told of the same one; with one key and without any."""
    stack = make_stack()
    order_id = str(uuid4())
    body = {"order_id": order_id, "amount": "50.00"}
    replies = all_at_once(AT_ONCE, lambda _: Http(stack.payments.base_url).post("/api/payments/", body, key=key))
    answered = [reply for reply in replies if reply.status != 409]
    assert Counter(reply.status for reply in answered)[201] >= 1
    assert {reply.status for reply in answered} <= {200, 201}
    assert len({reply.text for reply in answered}) == 1
    assert answered[0].json["status"] == "COMPLETED"
    if key is None:
        assert Counter(reply.status for reply in replies) == {201: 1, 200: AT_ONCE - 1}
    rows = stack.services["payment_service"].rows("select order_id, status, captured from payments_payment")
    assert rows == [(order_id, "CAPTURED", 50)]
    events = stack.services["payment_service"].rows("select type from events_event")
    assert events == [("payment.successful",)]


def test_a_hundred_buyers_for_the_last_ten(quiet_stack: Stack) -> None:
    """Exactly ten get it; everybody else is told that it is out of stock, and pays nothing."""
    replies = all_at_once(
        100,
        lambda number: Http(quiet_stack.orders.base_url).post(
            "/api/orders/", {"customer_name": f"Buyer {number}", "product_ids": [5]}
        ),
    )
    assert Counter(reply.status for reply in replies) == {201: 10, 400: 90}
    assert {reply.json["error"] for reply in replies if reply.status == 400} == {"Product 5 is out of stock"}
    assert quiet_stack.products.get("/api/products/5/").json["stock"] == 0
    paid = quiet_stack.services["payment_service"].rows("select count(*) from payments_payment")
    assert paid == [(10,)]


def test_cancelling_at_once_gives_back_once(quiet_stack: Stack) -> None:
    """Ten requests to cancel one paid order: refunded once, the stock comes back once."""
    before = quiet_stack.products.get("/api/products/4/").json["stock"]
    order = quiet_stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [4, 4]}).json
    replies = all_at_once(10, lambda _: Http(quiet_stack.orders.base_url).post(f"/api/orders/{order['id']}/cancel/"))
    assert {reply.status for reply in replies} <= {200, 202, 409}
    assert any(reply.status == 200 for reply in replies)
    assert quiet_stack.orders.get(f"/api/orders/{order['id']}/").json["status"] == "REFUNDED"
    assert quiet_stack.products.get("/api/products/4/").json["stock"] == before
    refunds: list[tuple[Any, ...]] = quiet_stack.services["payment_service"].rows(
        "select refunded from payments_payment where order_id = ?", str(UUID(order["id"]))
    )
    assert [(float(refunded),) for (refunded,) in refunds] == [(85.8,)]
