"""Clients that do what customers do, while something else is done to the services: buy, pay later, cancel."""

import random
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import requests

from tests.client import Http, Reply

# What each request may be answered with; whatever else comes back is a failure.
EXPECTED: Final[Mapping[str, frozenset[int]]] = {
    "place": frozenset({201}),
    "declined": frozenset({400}),
    "place, pay later": frozenset({201}),
    "pay": frozenset({200}),
    "cancel": frozenset({200}),
    "read": frozenset({200}),
}
# How often each is done, out of a hundred; the last where there is nothing to do it to.
OUT_OF_100: Final[Mapping[str, int]] = {
    "place, pay later": 25,
    "pay": 13,
    "cancel": 12,
    "read": 10,
    "declined": 8,
    "place": 32,
}
# So many of each client's orders are remembered, to be paid, cancelled or read.
REMEMBERED: Final = 60


@dataclass(frozen=True)
class Placed:
    """An order that was answered 201."""

    id: str
    number: int
    total: Any


class Shoppers:
    """Clients who shop until the end of the `with`, each on a connection of its own, with `pause_s` between requests.

    Attributes:
        answered: How many requests of each kind were answered as they should be.
        failures: A sentence for each that was not.
        placed: The ids of all orders that were answered 201.
        paid: Those of them that were answered to be PAID, and not cancelled since.
    """

    def __init__(self, orders_url: str, payments_url: str, *, clients: int, seed: int, pause_s: float) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self.placed: set[str] = set()
        self.paid: set[str] = set()
        self._urls = orders_url, payments_url
        self._pause_s = pause_s
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._shop, args=[seed * 1000 + n]) for n in range(clients)]

    def __enter__(self) -> "Shoppers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> int:
        return sum(self.answered.values()) + len(self.failures)

    def _shop(self, seed: int) -> None:
        client = _Shopper(self, Http(self._urls[0]), Http(self._urls[1]), random.Random(seed))
        while not self._enough.wait(self._pause_s):
            client.do_something()

    def count(self, kind: str, reply: Reply | None, problem: str = "") -> bool:
        """Note how a request ended; whether as it should."""
        is_right = reply is not None and reply.status in EXPECTED[kind]
        with self._lock:
            if is_right:
                self.answered[kind] += 1
            else:
                said = problem if reply is None else f"{reply.status} {reply.text[:300]}"
                self.failures.append(f"{kind}: {said}")
        return is_right


class _Shopper:
    def __init__(self, shop: Shoppers, orders: Http, payments: Http, chance: random.Random) -> None:
        self._shop = shop
        self._orders = orders
        self._payments = payments
        self._chance = chance
        self._unpaid: deque[Placed] = deque(maxlen=REMEMBERED)
        self._paid: deque[Placed] = deque(maxlen=REMEMBERED)

    def do_something(self) -> None:
        (kind,) = self._chance.choices(list(OUT_OF_100), weights=list(OUT_OF_100.values()))
        if kind in ("pay", "cancel", "read"):
            self._do_to_one(kind)
        else:
            self._place(kind)

    def _place(self, kind: str) -> None:
        token = "tok_expired_card" if kind == "declined" else "tok_ok"
        body: dict[str, Any] = {
            "customer_name": "Alice",
            "product_ids": self._chance.choice([[1], [2], [1, 2], [2, 2]]),
            "payment_method": "CARD",
            "payment_method_details": {"token": token},
        }
        if kind == "place, pay later":
            body = {"customer_name": "Carol", "items": [{"product_id": 2, "quantity": 3}], "payment": "later"}
        reply = self._ask(kind, self._orders, "POST", "/api/orders/", body)
        if reply is None or kind == "declined":
            return
        order = Placed(reply.json["id"], reply.json["number"], reply.json["total_amount"])
        self._shop.placed.add(order.id)
        if reply.json["status"] == "PAID":
            self._shop.paid.add(order.id)
            self._paid.append(order)
        else:
            self._unpaid.append(order)

    def _do_to_one(self, kind: str) -> None:
        some = self._unpaid if kind == "pay" or (kind == "cancel" and self._chance.random() < 0.3) else self._paid
        if not some:
            return
        order = some[self._chance.randrange(len(some))]
        if kind == "read":
            self._ask(kind, self._orders, "GET", f"/api/orders/{order.id}/")
            return
        some.remove(order)
        self._shop.paid.discard(order.id)
        if kind == "cancel":
            self._ask(kind, self._orders, "POST", f"/api/orders/{order.id}/cancel/")
        elif self._ask(kind, self._payments, "POST", "/pay", {"order_id": order.number, "amount": str(order.total)}):
            self._shop.paid.add(order.id)
            self._paid.append(order)

    def _ask(self, kind: str, service: Http, method: str, path: str, body: Any = None) -> Reply | None:
        """The answer, if it is one that should come. Every POST has a key, as clients are told to send one."""
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        try:
            reply = service.request(method, path, headers=headers, **({} if body is None else {"json": body}))
        except requests.RequestException as problem:
            self._shop.count(kind, None, f"{type(problem).__name__}: {problem}")
            return None
        return reply if self._shop.count(kind, reply) else None
