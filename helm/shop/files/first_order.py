"""Buys something, has the money given back, and looks whether all three services say the same.

    python first_order.py --orders URL --payments URL --products URL [--keys FOLDER]

What `helm test` runs in the cluster; with `make run` in another terminal it runs without arguments. Only Python's own
library. Exit status: 0, or 1 with a sentence.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

# Of one answer, and of what a worker has to finish.
ANSWER_S, SETTLED_S = 30.0, 120.0


class Wrong(Exception):
    """What is not as it must be."""


class Service:
    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def ask(self, method: str, path: str, body: Any = None, *, statuses: tuple[int, ...] = (200,)) -> Any:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the URL is what this was started with
            self._url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - as above
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as problem:
            status, text = problem.code, problem.read()
        except OSError as problem:
            raise Wrong(f"{method} {self._url}{path}: {problem}") from problem
        if status not in statuses:
            raise Wrong(f"{method} {self._url}{path}: {status} {text.decode(errors='replace')}")
        return json.loads(text, parse_float=Decimal)


def buy_and_refund(orders: Service, payments: Service, products: Service) -> None:
    """Raises Wrong at the first thing that is not as it must be."""
    chosen = next((each for each in products.ask("GET", "/api/products/")["items"] if each["stock"] > 0), None)
    if chosen is None:
        raise Wrong("the catalogue has nothing in stock")
    number, stock, price = chosen["id"], chosen["stock"], Decimal(chosen["price"])
    wanted = {"customer_name": "helm test", "items": [{"product_id": number, "quantity": 1}]}
    order = orders.ask("POST", "/api/orders/", wanted, statuses=(201,))
    expect(
        "the order", order, status="PAID", total_amount=price, payment_status="COMPLETED", refunded_amount=Decimal(0)
    )
    paid = payments.ask("GET", f"/api/payments/{order['id']}/")
    expect("its payment", paid, status="COMPLETED", amount=price)
    expect("the shelf", products.ask("GET", f"/api/products/{number}/"), stock=stock - 1)
    print(f"Order {order['number']} of {price} is PAID")

    orders.ask("POST", f"/api/orders/{order['id']}/cancel/", {}, statuses=(200, 202))
    deadline = time.monotonic() + SETTLED_S
    while (order := orders.ask("GET", f"/api/orders/{order['id']}/"))["status"] != "REFUNDED":
        if time.monotonic() > deadline:
            raise Wrong(f"after {SETTLED_S:g} s the order is {order['status']}, not REFUNDED")
        time.sleep(0.5)
    expect("the order", order, refunded_amount=price, payment_status="REFUNDED")
    expect("its payment", payments.ask("GET", f"/api/payments/{order['id']}/"), status="REFUNDED")
    while products.ask("GET", f"/api/products/{number}/")["stock"] != stock:
        if time.monotonic() > deadline:
            raise Wrong(f"after {SETTLED_S:g} s the stock of product {number} is not {stock} again")
        time.sleep(0.5)
    events = [event["type"] for event in orders.ask("GET", f"/api/orders/{order['id']}/events/")["items"]]
    if events[0] != "order.created" or "order.refunded" not in events:
        raise Wrong(f"the audit trail has {events}")
    print(f"Order {order['number']} is REFUNDED, its money is back and its stock on the shelf")


def expect(what: str, found: Any, **expected: Any) -> None:
    for name, value in expected.items():
        if found.get(name) != value:
            raise Wrong(f"{what} has {name} {found.get(name)!r}, not {value!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, port in (("orders", 8000), ("payments", 8002), ("products", 8001)):
        parser.add_argument(f"--{name}", default=f"http://localhost:{port}", metavar="URL")
    parser.add_argument(
        "--keys", type=Path, metavar="FOLDER", help="files orders, payments and products, a key in each"
    )
    given = parser.parse_args()
    try:
        buy_and_refund(*(_service(given, name) for name in ("orders", "payments", "products")))
    except Wrong as problem:
        print(f"Wrong: {problem}", file=sys.stderr)
        return 1
    return 0


def _service(given: argparse.Namespace, name: str) -> Service:
    return Service(getattr(given, name), (given.keys / name).read_text().strip() if given.keys else "")


if __name__ == "__main__":
    sys.exit(main())
