"""Ten times more clients than a service works for at once: right answers or quick refusals, nothing in between."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from uuid import uuid4

from tests import books
from tests.client import Http, Reply
from tests.stack import Stack

MakeStack = Callable[..., Stack]
# Ten times REQUESTS_AT_ONCE, where 32 threads leave room for 24 requests.
CLIENTS = 80
NARROW = {"order_service": {"SERVER_THREADS": "32"}}
ORDER = {"customer_name": "Alice", "product_ids": [1, 2]}


def health_checks(url: str, until: Event) -> list[float]:
    """How long each health check took, one after another; each must say that all is well."""
    http, took = Http(url), []
    while not until.is_set():
        started = time.monotonic()
        assert http.get("/health/live").status == http.get("/health").status == 200
        took.append(time.monotonic() - started)
        until.wait(0.05)
    return took


def assert_served_or_refused(replies: list[Reply], status: int) -> Counter[int]:
    """No other status than these two, and a refusal says when to come again."""
    for reply in replies:
        if reply.status == 503:
            assert (reply.json["code"], int(reply.headers["Retry-After"])) == ("overloaded", 1)
    counts = Counter(reply.status for reply in replies)
    assert set(counts) <= {status, 503}
    return counts


def test_what_is_too_much_is_refused_and_the_rest_is_right(make_stack: MakeStack) -> None:
    """80 clients without a pause: every 201 is in the books, every refusal left nothing, health answers meanwhile."""
    stack = make_stack(settings=NARROW)
    url, done = stack.orders.base_url, Event()

    def shop(_: int) -> list[Reply]:
        http = Http(url)
        return [http.post("/api/orders/", ORDER) for _ in range(5)]

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        health = pool.submit(health_checks, url, done)
        try:
            replies = [reply for each in list(pool.map(shop, range(CLIENTS))) for reply in each]
        finally:
            done.set()
        assert max(health.result()) < (time.monotonic() - began) / 2  # one that is starved waits until all is over
    counts = assert_served_or_refused(replies, 201)
    assert counts[503] > 0
    assert stack.orders.post("/api/orders/", ORDER).status == 201
    assert stack.orders.get("/api/orders/?per_page=1").json["total"] == counts[201] + 1
    assert books.problems_at_rest(stack) == []


def test_a_slow_gateway_keeps_nobody_else_waiting(make_stack: MakeStack) -> None:
    """Twenty card payments fill it; ten more are refused, payments without a gateway and reads go on."""
    slow = {"GATEWAY_DELAY_MS": "4000", "GATEWAY_SUCCESS_RATE": "1", "DOWNSTREAM_CALLS": "20"}
    stack = make_stack(settings={"payment_service": slow})
    url = stack.payments.base_url

    def by_card(_: int) -> Reply:
        return Http(url).post("/api/payments/", {"order_id": str(uuid4()), "amount": 5, "method": "CARD"})

    with ThreadPoolExecutor(30) as pool:
        cards = [pool.submit(by_card, number) for number in range(30)]
        time.sleep(0.5)
        for number in range(1, 21):
            assert stack.payments.post("/api/payments/", {"order_id": number, "amount": 5}).status == 201
            assert stack.payments.get(f"/api/payments/{number}/").json["status"] == "COMPLETED"
            if number == 1:
                assert not any(card.done() and card.result().status == 201 for card in cards)
        replies = [card.result() for card in cards]
    counts = assert_served_or_refused(replies, 201)
    # Of those that saw the last room at the same time, all but one have failed without being sent, and may try again.
    failed = [reply.json for reply in replies if reply.status == 201 and reply.json["status"] != "COMPLETED"]
    assert {payment["failure_code"] for payment in failed} <= {"gateway_unavailable"}
    assert counts[201] - len(failed) == 20
    assert counts[503] > 0
    written = dict(stack.services["payment_service"].rows("select status, count(*) from payments_payment group by 1"))
    assert written == {"CAPTURED": 40, **({"FAILED": len(failed)} if failed else {})}


def test_a_payment_service_that_stands_still_starves_nobody(make_stack: MakeStack) -> None:
    """Thirty orders wait for it; health, reads, and orders that are paid later go on."""
    stack = make_stack()
    first = stack.orders.post("/api/orders/", ORDER).json["id"]
    stack.services["payment_service"].signal(signal.SIGSTOP)
    url = stack.orders.base_url
    waiting = [Thread(target=Http(url).post, args=("/api/orders/", ORDER)) for _ in range(30)]
    for thread in waiting:
        thread.start()
    try:
        for number in range(5):
            assert stack.orders.get("/health/live").status == stack.orders.get("/health").status == 200
            assert stack.orders.get(f"/api/orders/{first}/?live=false").status == 200
            assert stack.orders.post("/api/orders/", {**ORDER, "payment": "later"}).status == 201
            if number == 0:
                assert any(thread.is_alive() for thread in waiting)
    finally:
        stack.services["payment_service"].signal(signal.SIGCONT)
        for thread in waiting:
            thread.join()


def test_services_that_ask_each_other_do_not_lock_up(make_stack: MakeStack) -> None:
    """One slot each: an order that waits for its payment, and payments that ask for orders, all at once."""
    narrow = {"REQUESTS_AT_ONCE": "1", "REQUEST_WAIT_S": "10"}
    stack = make_stack(settings=dict.fromkeys(("order_service", "payment_service"), narrow))
    orders = [stack.orders.post("/api/orders/", {**ORDER, "payment": "later"}).json for _ in range(10)]

    def pay(order: dict[str, str]) -> Reply:
        return Http(stack.payments.base_url).post(
            "/pay", {"order_id": order["id"], "amount": str(order["total_amount"])}
        )

    def place(_: int) -> Reply:
        return Http(stack.orders.base_url).post("/api/orders/", ORDER)

    with ThreadPoolExecutor(20) as pool:
        paid, placed = pool.map(pay, orders), pool.map(place, range(10))
        assert {reply.status for reply in paid} == {200}
        assert {reply.status for reply in placed} == {201}
