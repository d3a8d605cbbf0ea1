"""A database server that holds a lock, breaks a deadlock, or dies under load: nothing acknowledged is lost, whoever
waits is answered in time, and everything goes on by itself.

Collected only on PostgreSQL and MariaDB (conftest.py).
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import requests

import nightly
from tests import stack as stacks
from tests.client import Http, Reply
from tests.faults.checking import Checker, checking
from tests.faults.engines import Server, own_server
from tests.faults.result_log import ResultLog
from tests.stack import SERVICES, Stack, wait_until

LONG: Final = nightly.IS_NIGHT
LOCK_TIMEOUT_S: Final = 1.0
ANSWERED_WITHIN_S: Final = 6.0
RECOVERS_WITHIN_S: Final = 300.0
CLIENTS: Final = 4
CRASHES: Final = 10 if LONG else 2
# Answered before each crash.
SOME: Final = 15
# A request that died with the server keeps its key for a minute; the client of it has long gone on.
TRIES: Final = 10
LIMITS: Final = {"DB_LOCK_TIMEOUT_S": str(LOCK_TIMEOUT_S), "DB_POOL_TIMEOUT_S": "1"}
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        **LIMITS,
        "ORDER_LEASE_S": "7.5",
        "ORDER_DEADLINE_S": "3",
        "PRODUCT_DEADLINE_S": "2",
        "HTTP_READ_TIMEOUT_S": "2",
        "BREAKER_OPEN_S": "0.2",
    },
    "payment_service": {
        **LIMITS,
        "PAYMENT_LEASE_S": "2",
        "PAYMENT_SETTLE_S": "3",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        "BREAKER_OPEN_S": "0.2",
    },
    "product_stub": LIMITS,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Of this module alone: others share one, which nobody may kill."""
    with own_server() as (server, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Empty databases on that server, with which they go."""
    folder = tmp_path_factory.mktemp("migrated")
    stacks.migrate(folder)
    return folder


@contextmanager
def row_locked(stack: Stack, name: str, table: str, column: str, value: Any) -> Iterator[None]:
    """Another session has changed a row, and does not say whether it means it."""
    with closing(stack.services[name].db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} = %s FOR UPDATE", (value,))
        yield
        cursor.execute("ROLLBACK")


def check_refused_in_time(replies: list[Reply]) -> None:
    for reply in replies:
        assert (reply.status, reply.json["code"]) == (503, "database_unavailable"), reply
        assert int(reply.headers["Retry-After"]) >= 1
        assert LOCK_TIMEOUT_S * 0.9 < reply.elapsed_s < ANSWERED_WITHIN_S


def test_a_locked_row_is_waited_for_as_long_as_is_said(sound: Stack, checker: Checker, result_log: ResultLog) -> None:
    """503 with Retry-After, nothing half-written; with the row free the same request succeeds."""
    order = sound.orders.post("/api/orders/", {"customer_name": "Ann", "product_ids": [2], "payment": "later"}).json
    cancel = f"/api/orders/{order['id']}/cancel/"
    with row_locked(sound, "order_service", "orders_order", "number", order["number"]):
        check_refused_in_time([sound.orders.post(cancel, {}, key="cancel")])
        assert sound.orders.get(f"/api/orders/{order['id']}/").json["status"] == "PENDING"
    assert wait_until(lambda: _answered(sound.orders.post(cancel, {}, key="cancel"))).json["status"] == "CANCELLED"

    paid, put = str(uuid4()), f"/api/reservations/{uuid4()}/"
    (payment,) = [sound.payments.post("/api/payments/", {"order_id": paid, "amount": "5.00"}).json]
    with row_locked(sound, "payment_service", "payments_payment", "order_id", paid):
        check_refused_in_time([sound.payments.post(f"/api/payments/{paid}/void/", {}, key="void")])
    assert payment["status"] == "COMPLETED"
    voided = wait_until(lambda: _answered(sound.payments.post(f"/api/payments/{paid}/void/", {}, key="void")))
    assert voided.json["status"] == "REFUNDED"

    body = {"items": [{"product_id": 2, "quantity": 1}]}
    with row_locked(sound, "product_stub", "catalog_product", "id", 2):
        check_refused_in_time([sound.products.request("PUT", put, json=body)])
        assert sound.products.request("GET", "/api/products/2/").status == 200
    assert sound.products.request("PUT", put, json=body).status == 201
    assert sound.products.request("DELETE", put).status == 204
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    result_log(
        "row lock held by another session",
        injected="SELECT ... FOR UPDATE on an order, a payment and a product, for longer than the lock time-out",
        times=3,
        checks="503 + Retry-After in time, nothing half-written; same key succeeds after; all invariants",
        numbers=26,
    )


def _answered(reply: Reply) -> Reply | None:
    return None if reply.status in (409, 503) else reply


def test_a_deadlock_costs_nobody_anything(sound: Stack, checker: Checker, result_log: ResultLog) -> None:
    """Two products in opposite order, many at once: each request is carried out, or asks for patience."""
    orders = 30

    def reserve(number: int) -> int:
        lines = [{"product_id": 1, "quantity": 1}, {"product_id": 2, "quantity": 1}]
        http, path = Http(sound.services["product_stub"].url), f"/api/reservations/{uuid4()}/"
        reply = http.request("PUT", path, json={"items": lines[:: 1 if number % 2 else -1]})
        assert http.request("DELETE", path).status == 204
        return reply.status

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(reserve, range(orders)))
    assert set(statuses) <= {201, 503}
    assert statuses[201] >= orders - 2
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    result_log(
        "deadlocks provoked",
        injected="two products reserved in opposite order by eight clients",
        times=orders,
        checks="201, or 503 + Retry-After; all invariants",
        numbers=26,
    )


def test_a_server_that_dies_under_load_keeps_what_it_was_told(
    sound: Stack, server: Server, result_log: ResultLog
) -> None:
    """Killed without warning and started again, more than once: every answer stands, and no process of ours ends."""
    answered: dict[str, str] = {}
    enough = threading.Event()
    url = sound.services["order_service"].url
    clients = [threading.Thread(target=_shop, args=[url, answered, enough]) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for _ in range(CRASHES):
            wait_until(partial(_are, len(answered) + SOME, answered), what="orders are answered")
            server.crash()
            for name in SERVICES:
                assert Http(sound.services[name].url).get("/health").status == 503
                assert Http(sound.services[name].url).get("/health/live").status == 200
            server.start()
        before = len(answered)
        wait_until(lambda: len(answered) >= before + SOME, what="orders are answered again")
    finally:
        enough.set()
        for client in clients:
            client.join()
    with checking(sound) as checker:
        assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    told = sound.services["order_service"].rows("select customer_name, status from orders_order")
    kept = {name: status for name, status in told if name in answered}
    assert kept == answered
    assert len(told) == len({name for name, _ in told})
    assert all(worker.is_running for worker in sound.workers)
    result_log(
        "database server killed under load",
        injected="immediate stop of the server of all three services, and a start on the same data",
        times=CRASHES,
        checks=f"{len(answered)} answered orders are as they were answered, each once; /health 503 meanwhile, live "
        "200; no process of ours was started again; all invariants",
        numbers=5,
    )


def _are(count: int, answered: dict[str, str]) -> bool:
    return len(answered) >= count


def _shop(url: str, answered: dict[str, str], enough: threading.Event) -> None:
    """Place orders until told to stop, each under a key; keep how those ended that were answered in a few tries."""
    http = Http(url)
    while not enough.is_set():
        name = str(uuid4())
        for _ in range(TRIES):
            status = _ordered(http, name)
            if status in ("PAID", "CANCELLED"):
                answered[name] = status
                break
            enough.wait(0.05)


def _ordered(http: Http, name: str) -> str | None:
    """The status that an order is answered with, None where it is not."""
    try:
        reply = http.post("/api/orders/", {"customer_name": name, "product_ids": [2]}, key=name)
    except requests.RequestException:
        return None
    return reply.json.get("status") if reply.json else None
