"""Many clients at once over real HTTP: no error, nothing lost, nothing twice.

Against one server of each service, and against two of each on the same databases: then each client goes from one to the
other, and the servers call each other crosswise.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, Final
from uuid import UUID

import pytest

from tests import books, databases
from tests.client import PATIENCE_S, Http, Reply
from tests.faults.checking import Checker, checking
from tests.stack import Stack, wait_until

CLIENTS: Final = 8
ORDERS_EACH: Final = 200
AT_ONCE: Final = 30
# How long what is left for the workers may take.
SETTLES_WITHIN_S: Final = 300.0

# SQLite is for one server of each, but must be right with two as well, which it shows by night; the others are for
# many, of many processes.
SHAPES: Final[Mapping[str, Mapping[str, int]]] = (
    {"two servers of each, two processes in each": {"servers": 2, "workers": 2}}
    if databases.IS_SERVER
    else {"one server of each": {}, "two servers of each": {"servers": 2}}
)
NIGHTLY: Final = () if databases.IS_SERVER else ("two servers of each",)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(shape, id=name, marks=[pytest.mark.nightly] if name in NIGHTLY else [])
        for name, shape in SHAPES.items()
    ],
)
def running(request: pytest.FixtureRequest, make_module_stack: Callable[..., Stack]) -> Iterator[tuple[Stack, Checker]]:
    """A stack with as many workers as servers, and its checker."""
    stack = make_module_stack(**request.param)
    for _ in range(request.param.get("servers", 1)):
        stack.start_workers()
    with checking(stack) as checker:
        yield stack, checker


@pytest.fixture
def quiet_stack(running: tuple[Stack, Checker]) -> Iterator[Stack]:
    """The stack, whose books are checked after each test, when the workers have nothing left to do."""
    stack, checker = running
    yield stack
    assert checker.settle(within_s=SETTLES_WITHIN_S) == []
    assert books.problems_at_rest(stack) == []


def until_answered(call: Callable[[], Reply]) -> Reply:
    """As a client should: what is answered 503 is asked again, under its key. A slow machine says it more often."""
    deadline = time.monotonic() + PATIENCE_S
    while (reply := call()).status == 503 and time.monotonic() < deadline:
        time.sleep(float(reply.headers["Retry-After"]))
    return reply


def all_at_once(count: int, call: Callable[[int], Reply]) -> list[Reply]:
    """Make `count` calls that start in the same moment, each from a thread of its own, until they are answered."""
    start = Barrier(count)

    def run(number: int) -> Reply:
        start.wait()
        return until_answered(lambda: call(number))

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def ledger(stack: Stack, columns: str, *order_ids: str) -> list[tuple[Any, ...]]:
    """What the payment service keeps of some orders."""
    marks = ", ".join("?" * len(order_ids))
    return stack.services["payment_service"].rows(
        f"select {columns} from payments_payment where order_id in ({marks})", *order_ids
    )


def sold(stack: Stack) -> dict[int, int]:
    return dict(stack.services["product_stub"].rows("select id, sold from catalog_product"))


def test_eight_clients_place_two_hundred_orders_each(quiet_stack: Stack) -> None:
    """1,600 orders: every one paid once, every unit sold once, every event there once."""
    before = sold(quiet_stack)
    clients = [(name, quiet_stack.orders) for name in (f"Client {number}" for number in range(CLIENTS))]

    def shop(name: str, http: Http) -> list[Reply]:
        body = {"customer_name": name, "product_ids": [1, 2, 2]}
        keys = (f"{name}-{number}" for number in range(ORDERS_EACH))
        return [until_answered(partial(http.post, "/api/orders/", body, key=key)) for key in keys]

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = [reply for placed in pool.map(lambda client: shop(*client), clients) for reply in placed]

    total = CLIENTS * ORDERS_EACH
    assert Counter((reply.status, reply.json["status"]) for reply in replies) == {(201, "PAID"): total}
    order_ids = {reply.json["id"] for reply in replies}
    assert (len(order_ids), len({reply.json["number"] for reply in replies})) == (total, total)
    for name, http in clients:
        listed = http.get(f"/api/orders/?customer_name={name}&status=PAID&per_page=1")
        assert listed.json["total"] == ORDERS_EACH
    # An order is closed, and its stock sold, behind its answer.
    wait_until(lambda: not quiet_stack.orders.get("/api/orders/?unfinished_for=0").json["total"])
    after = sold(quiet_stack)
    assert {product: after[product] - before[product] for product in (1, 2)} == {1: total, 2: 2 * total}
    assert ledger(quiet_stack, "sum(captured), count(*), min(status), max(status)", *order_ids) == [
        (total * 70, total, "CAPTURED", "CAPTURED")
    ]
    payments = {str(UUID(payment_id)) for (payment_id,) in ledger(quiet_stack, "id", *order_ids)}
    told = quiet_stack.services["payment_service"].rows("select aggregateid from events_event")
    assert Counter(about for (about,) in told if about in payments) == dict.fromkeys(payments, 1)


def test_one_key_thirty_times_at_once_is_one_order(quiet_stack: Stack) -> None:
    """One runs; the others replay its answer or are told that it is still running, and later get that answer."""
    body = {"customer_name": "One key", "product_ids": [1, 2]}
    clients = [quiet_stack.orders for _ in range(AT_ONCE)]
    replies = all_at_once(AT_ONCE, lambda n: clients[n].post("/api/orders/", body, key="all-at-once"))
    seen = Counter((reply.status, reply.headers.get("Idempotent-Replayed")) for reply in replies)
    assert seen[201, None] == 1
    assert seen[201, "true"] + seen[409, None] == AT_ONCE - 1
    assert {reply.json["code"] for reply in replies if reply.status == 409} <= {"idempotency_key_in_use"}
    assert len({reply.text for reply in replies if reply.status == 201}) == 1
    after = [quiet_stack.orders.post("/api/orders/", body, key="all-at-once") for _ in range(2)]
    first = next(reply for reply in replies if reply.status == 201)
    assert {(reply.status, reply.text) for reply in after} == {(201, first.text)}
    assert quiet_stack.orders.get("/api/orders/?customer_name=One key").json["total"] == 1
    assert ledger(quiet_stack, "count(*)", first.json["id"]) == [(1,)]


@pytest.mark.parametrize("key", [None, "pay-once"])
def test_one_order_is_paid_once_by_thirty_at_once(quiet_stack: Stack, key: str | None) -> None:
    """One COMPLETED payment, and everybody is told of the same one; with one key and without any."""
    later = {"customer_name": "Payer", "product_ids": [1, 2], "payment": "later"}
    order_id = quiet_stack.orders.post("/api/orders/", later).json["id"]
    body = {"order_id": order_id, "amount": "50.00"}
    clients = [quiet_stack.payments for _ in range(AT_ONCE)]
    replies = all_at_once(AT_ONCE, lambda n: clients[n].post("/api/payments/", body, key=key))
    answered = [reply for reply in replies if reply.status != 409]
    assert Counter(reply.status for reply in answered)[201] >= 1
    assert {reply.status for reply in answered} <= {200, 201}
    assert len({reply.text for reply in answered}) == 1
    assert answered[0].json["status"] == "COMPLETED"
    if key is None:
        assert Counter(reply.status for reply in replies) == {201: 1, 200: AT_ONCE - 1}
    assert ledger(quiet_stack, "order_id, status, captured", order_id) == [(order_id, "CAPTURED", 50)]
    events = quiet_stack.services["payment_service"].rows(
        "select type from events_event where aggregateid = ?", answered[0].json["id"]
    )
    assert events == [("payment.successful",)]
    looking = [quiet_stack.orders for _ in range(AT_ONCE)]
    looked = all_at_once(AT_ONCE, lambda n: looking[n].post(f"/api/orders/{order_id}/payment/", {}))
    assert {(reply.status, reply.json["status"]) for reply in looked} == {(200, "PAID")}


def test_a_hundred_buyers_for_the_last_ten(quiet_stack: Stack) -> None:
    """Exactly ten get it; everybody else is told that it is out of stock, and pays nothing."""
    clients = [quiet_stack.orders for _ in range(100)]
    bodies = [{"customer_name": f"Buyer {n}", "product_ids": [5]} for n in range(100)]
    replies = all_at_once(100, lambda n: clients[n].post("/api/orders/", bodies[n], key=f"buyer-{n}"))
    assert Counter(reply.status for reply in replies) == {201: 10, 400: 90}
    assert {reply.json["error"] for reply in replies if reply.status == 400} == {"Product 5 is out of stock"}
    assert quiet_stack.products.get("/api/products/5/").json["stock"] == 0
    paid = ledger(quiet_stack, "order_id", *(reply.json["id"] for reply in replies))
    assert {order_id for (order_id,) in paid} == {reply.json["id"] for reply in replies if reply.status == 201}


def test_cancelling_at_once_gives_back_once(quiet_stack: Stack) -> None:
    """Ten requests to cancel one paid order: refunded once, the stock comes back once."""
    before = quiet_stack.products.get("/api/products/4/").json["stock"]
    order = quiet_stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [4, 4]}).json
    clients = [quiet_stack.orders for _ in range(10)]
    replies = all_at_once(10, lambda n: clients[n].post(f"/api/orders/{order['id']}/cancel/"))
    assert {reply.status for reply in replies} <= {200, 202, 409}
    assert any(reply.status != 409 for reply in replies)
    # A worker may be the one who ends it; then all that asked were told 202.
    wait_until(
        lambda: quiet_stack.orders.get(f"/api/orders/{order['id']}/").json["status"] == "REFUNDED", what="refunded"
    )
    wait_until(lambda: quiet_stack.products.get("/api/products/4/").json["stock"] >= before, what="stock is back")
    assert quiet_stack.products.get("/api/products/4/").json["stock"] == before
    assert [float(refunded) for (refunded,) in ledger(quiet_stack, "refunded", str(UUID(order["id"])))] == [85.8]
