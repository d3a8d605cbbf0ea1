"""A service that is killed the hard way loses nothing that it has answered, and what it left unfinished is finished."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import requests

from tests import books
from tests import stack as stacks
from tests.client import Http
from tests.peers import Answer, Call, scripted_peer
from tests.stack import SERVICES, Stack, wait_until

MakeStack = Callable[..., Stack]
# A short life for what a dead process holds; the deadlines shrink with it, so that a run still fits into its lease.
SHORT: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        "ORDER_LEASE_S": "5",
        "ORDER_DEADLINE_S": "0.9",
        "PRODUCT_DEADLINE_S": "0.8",
        "HTTP_READ_TIMEOUT_S": "0.8",
    },
}
# Whoever waits for an answer is killed long before it stops waiting for it, however slow the machine is.
PATIENT: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        "ORDER_LEASE_S": "17",
        "ORDER_DEADLINE_S": "12",
        "PRODUCT_DEADLINE_S": "11",
        "HTTP_READ_TIMEOUT_S": "10",
    },
}
CLIENTS = 4
# Orders that must have been answered before a service is killed, and again before the end.
SOME = 25


def unfinished(stack: Stack) -> int:
    ((count,),) = stack.services["order_service"].rows("select count(*) from orders_order where due_at is not null")
    assert isinstance(count, int)
    return count


def test_an_order_whose_process_died_while_paying_is_paid_by_the_worker(make_stack: MakeStack) -> None:
    """Killed while it waits for the payment's answer: the worker sends the same attempt under the same key."""
    reached = threading.Event()

    def script(call: Call, earlier: int) -> Answer:
        if earlier == 0:
            reached.set()
            return Answer(after_s=60.0)
        body = {"id": "x", "order_id": call.json["order_id"], "amount": 50, "status": "COMPLETED", "timestamp": "x"}
        return Answer(201, body)

    with scripted_peer(script) as peer:
        stack = make_stack(peers={"payment_service": peer.url}, settings=PATIENT)
        client = threading.Thread(target=_place_and_lose, args=[stack.orders.base_url])
        client.start()
        assert reached.wait(300)
        stack.services["order_service"].kill()
        client.join()
        assert [status for (status,) in stack.services["order_service"].rows("select status from orders_order")] == [
            "PENDING"
        ]
        stack.restart("order_service")
        stack.start_worker("order_service")
        wait_until(lambda: unfinished(stack) == 0, what="the order is finished")
        (order,) = stack.orders.get("/api/orders/").json["items"]
        assert order["status"] == "PAID"
        keys = [call.headers["Idempotency-Key"] for call in peer.calls_of("POST", "/api/payments/")]
        assert keys == [f"order-{order['id']}-pay-1"] * 2


@pytest.mark.parametrize("victim", SERVICES)
def test_killed_under_load_the_books_agree_in_the_end(make_stack: MakeStack, victim: str) -> None:
    """Every answer that a client got is still true, and every order is finished with its money and stock in place.

    Where the payment service dies with keys asked for, which is another reason for it not to answer at once.
    """
    stack = make_stack(settings=SHORT, closed=stacks.ARE_CLOSED or victim == "payment_service")
    stack.start_workers()
    answered: dict[str, str] = {}
    enough = threading.Event()
    clients = [threading.Thread(target=_shop, args=[stack.orders.base_url, answered, enough]) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: len(answered) >= SOME, what="some orders")
        stack.services[victim].kill()
        stack.restart(victim)
        before = len(answered)
        wait_until(lambda: len(answered) >= before + SOME, what="some more orders")
    finally:
        enough.set()
        for client in clients:
            client.join()
    wait_until(lambda: unfinished(stack) == 0, what="every order is finished")
    kept = {order["id"]: order["status"] for order in _all_orders(stack)}
    assert {order_id: kept.get(order_id) for order_id in answered} == answered
    assert books.problems_at_rest(stack) == []


def test_a_service_that_is_asked_to_stop_answers_what_it_has_begun(make_stack: MakeStack) -> None:
    """SIGTERM while an order is being paid: its client still gets 201, and the process ends in order."""
    reached, asked = threading.Event(), threading.Event()

    def script(call: Call, _: int) -> Answer:
        reached.set()
        asked.wait(300)
        body = {"id": "x", "order_id": call.json["order_id"], "amount": 50, "status": "COMPLETED", "timestamp": "x"}
        return Answer(201, body)

    with scripted_peer(script) as peer, ThreadPoolExecutor() as pool:
        stack = make_stack(peers={"payment_service": peer.url})
        order = pool.submit(stack.orders.post, "/api/orders/", {"customer_name": "Alice", "product_ids": [1, 2]})
        assert reached.wait(300)
        stack.services["order_service"].ask_to_stop()
        asked.set()
        assert (order.result().status, order.result().json["status"]) == (201, "PAID")
        assert stack.services["order_service"].wait() == 0


def _place_and_lose(url: str) -> None:
    with pytest.raises(requests.ConnectionError):
        Http(url).post("/api/orders/", {"customer_name": "Alice", "product_ids": [1, 2]})


def _shop(url: str, answered: dict[str, str], enough: threading.Event) -> None:
    """Place orders until told to stop, and keep how each one ended; a service that is away is no reason to give up."""
    while not enough.is_set():
        try:
            order = Http(url).post("/api/orders/", {"customer_name": "Alice", "product_ids": [1, 2]}).json
        except requests.RequestException:
            enough.wait(0.05)
            continue
        if order is not None and order.get("status") in ("PAID", "CANCELLED"):
            answered[order["id"]] = order["status"]


def _all_orders(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = 1
    while items := stack.orders.get(f"/api/orders/?per_page=200&page={page}").json["items"]:
        found += items
        page += 1
    return found
