"""The floor: an order's hops and commits in bare Python, to measure the services against in the same run.

One WSGI file plays all three parts (`FLOOR_ROLE`: order, product or payment): one request of a client, one reservation,
one payment, and commits on the same engine with as many rows, but no framework, no validation and no recovery. A
yardstick, not a service: nothing in Python can be faster on the same machine. `against_floor.py` runs it.

`FLOOR_DATABASE` says where, as JSON: `{"engine": "sqlite", "path": ...}`, or `postgres` or `mysql` with host, port,
user, password and name. One connection a thread, drivers as the services use them.
"""

import datetime
import http.client
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

_ROLE: Final = os.environ.get("FLOOR_ROLE", "")
_DATABASE: Final[dict[str, Any]] = json.loads(os.environ.get("FLOOR_DATABASE", "{}"))
_PORTS: Final[dict[str, int]] = json.loads(os.environ.get("FLOOR_PORTS", "{}"))
_here = threading.local()

_TABLES: Final = (
    "create table orders(id varchar(36) unique, name text, status varchar(16), total numeric(12, 2), at varchar(40))",
    "create table order_lines(order_id varchar(36), product_id int, quantity int, price numeric(12, 2))",
    "create table events(order_id varchar(36), type varchar(40), data text, at varchar(40))",
    "create index events_order on events(order_id)",
    "create index orders_status on orders(status)",
    "create table products(id int primary key, name text, price numeric(12, 2), stock int)",
    "create table reservations(id varchar(36) primary key, items text)",
    "create table payments("
    "id varchar(36) unique, order_id varchar(36) unique, amount numeric(12, 2), status varchar(16), at varchar(40))",
)


class Database:
    """One connection. `?` stands for a value."""

    def __init__(self) -> None:
        self._engine = _DATABASE["engine"]
        address = {name: value for name, value in _DATABASE.items() if name not in ("engine", "name")}
        if self._engine == "sqlite":
            self._connection: Any = sqlite3.connect(_DATABASE["path"], timeout=20, isolation_level=None)
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
        elif self._engine == "postgres":
            self._connection = import_module("psycopg").connect(dbname=_DATABASE["name"], autocommit=True, **address)
        else:
            self._connection = import_module("pymysql").connect(database=_DATABASE["name"], autocommit=True, **address)
        self._cursor = self._connection.cursor()

    def __call__(self, sql: str, *values: Any) -> Any:
        marked = sql if self._engine == "sqlite" else sql.replace("?", "%s")
        self._cursor.execute(marked, values)
        return self._cursor

    def begin(self) -> None:
        self._cursor.execute("begin immediate" if self._engine == "sqlite" else "begin")

    def commit(self) -> None:
        self._cursor.execute("commit")


def prepare() -> None:
    """Make the tables, with products that never run out."""
    database = Database()
    for table in _TABLES:
        database(table)
    for number in range(1, 6):
        database("insert into products values(?, ?, 25.0, 100000000)", number, f"product {number}")


def _database() -> Database:
    if not hasattr(_here, "database"):
        _here.database = Database()
    found: Database = _here.database
    return found


def _ask(role: str, body: dict[str, Any]) -> dict[str, Any]:
    peers: dict[str, http.client.HTTPConnection] = _here.__dict__.setdefault("peers", {})
    peer = peers.setdefault(role, http.client.HTTPConnection("127.0.0.1", _PORTS[role]))
    peer.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
    answer: dict[str, Any] = json.loads(peer.getresponse().read())
    return answer


def _order(database: Database, body: dict[str, Any], now: str) -> dict[str, Any]:
    order_id = str(uuid.uuid4())
    database.begin()
    database(
        "insert into orders(id, name, status, at) values(?, ?, 'PENDING', ?)", order_id, body["customer_name"], now
    )
    database("insert into events values(?, 'order.created', '{}', ?)", order_id, now)
    database.commit()
    items = _ask("product", {"id": order_id, "product_ids": body["product_ids"]})["items"]
    total = sum(item["price"] for item in items)
    _ask("payment", {"order_id": order_id, "amount": total})
    database.begin()
    for item in items:
        database("insert into order_lines values(?, ?, 1, ?)", order_id, item["id"], item["price"])
    database("update orders set status = 'PAID', total = ? where id = ?", total, order_id)
    database("insert into events values(?, 'order.paid', '{}', ?)", order_id, now)
    database.commit()
    return {"id": order_id, "status": "PAID", "total_amount": total}


def _product(database: Database, body: dict[str, Any], _now: str) -> dict[str, Any]:
    items = []
    database.begin()
    for product_id in body["product_ids"]:
        database("update products set stock = stock - 1 where id = ? and stock >= 1", product_id)
        name, price = database("select name, price from products where id = ?", product_id).fetchone()
        items.append({"id": product_id, "name": name, "price": float(price)})
    database("insert into reservations values(?, ?)", body["id"], json.dumps(body["product_ids"]))
    database.commit()
    return {"items": items}


def _payment(database: Database, body: dict[str, Any], now: str) -> dict[str, Any]:
    payment_id = str(uuid.uuid4())
    values = (payment_id, body["order_id"], body["amount"], now)
    database.begin()
    database("insert into payments values(?, ?, ?, 'CAPTURED', ?)", *values)
    database("insert into events values(?, 'payment.successful', '{}', ?)", body["order_id"], now)
    database.commit()
    return {"id": payment_id, "order_id": body["order_id"], "amount": body["amount"], "status": "COMPLETED"}


_ANSWERS: Final[dict[str, Callable[[Database, dict[str, Any], str], dict[str, Any]]]] = {
    "order": _order,
    "product": _product,
    "payment": _payment,
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    answer = json.dumps(_ANSWERS[_ROLE](_database(), body, now)).encode()
    start_response("201 Created", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


if __name__ == "__main__":
    prepare()
