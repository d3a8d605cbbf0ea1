"""Many callers at once against the real server: two processes, one database, real sockets and threads."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from product_stub.tests.conftest import Server


def _at_once(calls: list[Callable[[], tuple[int, Any]]]) -> list[tuple[int, Any]]:
    """Run all calls in threads that start together; their answers, in order."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def _statuses(answers: list[tuple[int, Any]]) -> Counter[int]:
    return Counter(status for status, _ in answers)


def _product(server: Server, stock: int) -> int:
    status, body = server.call("POST", "/api/products/", {"name": "Rare", "price": 5, "stock": stock})
    assert status == 201
    return int(body["id"])


def _stock(server: Server, product_id: int) -> int:
    return int(server.call("GET", f"/api/products/{product_id}/")[1]["stock"])


def _put(server: Server, reservation_id: str, *wanted: tuple[int, int]) -> Callable[[], tuple[int, Any]]:
    items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in wanted]
    return lambda: server.call("PUT", f"/api/reservations/{reservation_id}/", {"items": items})


def test_a_hundred_buyers_of_the_last_ten(server: Server) -> None:
    """Exactly ten get one; every other hears that it is out of stock; no unit is lost."""
    product = _product(server, 10)
    answers = _at_once([_put(server, f"last-{n}", (product, 1)) for n in range(100)])
    assert _statuses(answers) == {201: 10, 409: 90}
    assert {body["code"] for status, body in answers if status == 409} == {"out_of_stock"}
    assert _stock(server, product) == 0
    server.manage("check_invariants")


def test_the_same_reservation_fifty_times_at_once(server: Server) -> None:
    """It is made once; everybody gets the same body."""
    product = _product(server, 100)
    answers = _at_once([_put(server, "same", (product, 3))] * 50)
    assert _statuses(answers) == {201: 1, 200: 49}
    assert all(body == answers[0][1] for _, body in answers)
    assert _stock(server, product) == 97


def test_two_products_in_opposite_order(server: Server) -> None:
    """All or nothing under contention, and nobody waits for ever: each unit pair goes to one buyer."""
    first, second = _product(server, 15), _product(server, 15)
    orders = [((first, 1), (second, 1)), ((second, 1), (first, 1))]
    answers = _at_once([_put(server, f"cross-{n}", *orders[n % 2]) for n in range(40)])
    assert _statuses(answers) == {201: 15, 409: 25}
    assert (_stock(server, first), _stock(server, second)) == (0, 0)
    server.manage("check_invariants")


def test_confirmed_or_released_but_never_both(server: Server) -> None:
    """Of a confirmation and a release at once, one wins, and the stock agrees with it."""
    product = _product(server, 20)
    assert {_put(server, f"race-{n}", (product, 1))()[0] for n in range(20)} == {201}
    calls: list[Callable[[], tuple[int, Any]]] = []
    for n in range(20):
        path = f"/api/reservations/race-{n}/"
        calls.append(partial(server.call, "POST", f"{path}confirm/"))
        calls.append(partial(server.call, "DELETE", path))
    statuses = [status for status, _ in _at_once(calls)]
    outcomes = Counter(zip(statuses[::2], statuses[1::2], strict=True))
    assert set(outcomes) <= {(200, 409), (409, 204)}
    assert _stock(server, product) == outcomes[409, 204]
    server.manage("check_invariants")


def test_confirmed_released_or_expired_but_only_one(server: Server) -> None:
    """Of a confirmation, a release and two workers at once, one wins, and the stock agrees with it."""
    product = _product(server, 20)
    assert {_put(server, f"due-{n}", (product, 1))()[0] for n in range(20)} == {201}

    def expire() -> tuple[int, Any]:
        server.manage("worker", "--once")
        return 0, None

    calls: list[Callable[[], tuple[int, Any]]] = [expire, expire]
    for n in range(20):
        path = f"/api/reservations/due-{n}/"
        calls.append(partial(server.call, "POST", f"{path}confirm/"))
        calls.append(partial(server.call, "DELETE", path))
    statuses = [status for status, _ in _at_once(calls)[2:]]
    outcomes = Counter(zip(statuses[::2], statuses[1::2], strict=True))
    assert set(outcomes) <= {(200, 409), (409, 204)}
    assert _stock(server, product) == outcomes[409, 204]
    server.manage("check_invariants")


def test_a_release_at_the_same_time_as_its_reservation(server: Server) -> None:
    """Whichever comes first, the stock ends on the shelf and the reservation is refused from then on."""
    product = _product(server, 10)
    calls: list[Callable[[], tuple[int, Any]]] = []
    for n in range(20):
        calls.append(_put(server, f"early-{n}", (product, 1)))
        calls.append(partial(server.call, "DELETE", f"/api/reservations/early-{n}/"))
    statuses = [status for status, _ in _at_once(calls)]
    assert set(statuses[::2]) <= {201, 409}
    assert set(statuses[1::2]) == {204}
    assert _stock(server, product) == 10
    assert {_put(server, f"early-{n}", (product, 1))()[1]["code"] for n in range(20)} == {"reservation_released"}


def test_a_sold_reservation_is_returned_once(server: Server) -> None:
    """Thirty returns at once give the stock back one time."""
    product = _product(server, 5)
    _put(server, "back", (product, 5))()
    assert server.call("POST", "/api/reservations/back/confirm/")[0] == 200
    answers = _at_once([lambda: server.call("DELETE", "/api/reservations/back/?return=true")] * 30)
    assert _statuses(answers) == {204: 30}
    assert _stock(server, product) == 5


def test_a_delivery_with_one_key_counts_once(server: Server) -> None:
    """Thirty restocks with one key add the units one time; who comes too early is told to wait."""
    product = _product(server, 0)
    path = f"/api/products/{product}/restock/"
    answers = _at_once([lambda: server.call("POST", path, {"quantity": 7}, Idempotency_Key="delivery")] * 30)
    assert set(_statuses(answers)) <= {200, 409}
    assert {body["code"] for status, body in answers if status == 409} <= {"idempotency_key_in_use"}
    assert _stock(server, product) == 7


def test_many_are_confirmed_at_once_in_overlapping_requests(server: Server) -> None:
    """Ten requests with the same reservations in different orders, while some are released: each unit moves once."""
    first, second = _product(server, 20), _product(server, 20)
    ids = [f"many-{n}" for n in range(12)]
    for reservation_id in ids:
        assert _put(server, reservation_id, (first, 1), (second, 1))()[0] == 201
    calls: list[Callable[[], tuple[int, Any]]] = [
        partial(server.call, "POST", "/api/reservations/confirm", {"ids": ids[n:] + ids[:n]}) for n in range(10)
    ]
    calls += [partial(server.call, "DELETE", f"/api/reservations/{reservation_id}/") for reservation_id in ids[::3]]
    answers = _at_once(calls)
    assert {status for status, _ in answers[:10]} == {200}
    assert {status for status, _ in answers[10:]} <= {204, 409}
    released = sum(status == 204 for status, _ in answers[10:])
    statuses = [server.call("GET", f"/api/reservations/{reservation_id}/")[1]["status"] for reservation_id in ids]
    assert (statuses.count("RELEASED"), statuses.count("CONFIRMED")) == (released, len(ids) - released)
    assert (_stock(server, first), _stock(server, second)) == (8 + released, 8 + released)
    server.manage("check_invariants")
