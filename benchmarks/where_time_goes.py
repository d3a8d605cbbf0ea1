"""Where the time of a service's part in one order goes: the processor's time by layer, one thread, no server around it.

The number of calls is the same on every machine and at every hour, the time is not.

    .venv/bin/python benchmarks/where_time_goes.py order_service      (or payment_service, product_stub)

Requests go straight into the WSGI handler, over a database of its own in a temporary directory. The order service's
neighbours are the fakes of its tests, so what its calls cost is measured with the neighbours. `TOP=40` shows the
functions that take longest; `scripts/databases run postgres --` in front has it on a server.
"""

import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import django
from django.core.management import call_command

ROOT: Final = Path(__file__).resolve().parent.parent
# The best of many short runs: what the code takes when nothing else is in its way.
RUNS, ORDERS_A_RUN = 60, 25
PROFILED_ORDERS: Final = 500

# Part of a function's file name -> the layer that it belongs to. The first that fits counts.
LAYERS: Final = (
    ("django/db/", "Django: database"),
    ("rest_framework/", "Django REST framework"),
    ("django/", "Django: requests, routes, middleware"),
    ("whitenoise/", "Django: requests, routes, middleware"),
    ("psycopg", "the driver"),
    ("pymysql/", "the driver"),
    ("MySQLdb/", "the driver"),
    ("structlog/", "logging"),
    ("/servicekit/", "servicekit"),
    ("_service/", "the service"),
    ("product_stub/", "the service"),
)


def main(service: str) -> None:
    with ready(service) as one_order:
        best_us = min(measure(one_order) for _ in range(RUNS))
        profile = cProfile.Profile()
        profile.runcall(lambda: [one_order() for _ in range(PROFILED_ORDERS)])
    stats: Any = pstats.Stats(profile)
    calls = sum(count for (file, _, _), (_, count, *_) in stats.stats.items() if file != "~") / PROFILED_ORDERS
    print(f"{service}: {best_us:.0f} µs and {calls:.0f} calls of Python functions an order\n")
    if os.environ.get("TOP"):
        stats.sort_stats("tottime").print_stats(int(os.environ["TOP"]))
    shares = by_layer(stats)
    for layer, seconds in shares.most_common():
        print(f"| {layer} | {seconds / shares.total():.0%} |")


@contextmanager
def ready(service: str) -> Iterator[Any]:
    """What does the service's part in one order, warm, on its own database. Its log lines are written, not shown."""
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as directory:
        database = import_module("tests.databases").at(Path(directory) / "db.sqlite3")
        database.create()
        os.environ.update(database.environment, DJANGO_SETTINGS_MODULE=f"{service}.settings")
        output = os.dup(1)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            one_order = start(service)
            for _ in range(100):
                one_order()
            yield one_order
        finally:
            sys.stdout.flush()
            os.dup2(output, 1)
            database.drop()


def measure(one_order: Any) -> float:
    """Microseconds of the processor's time for one order."""
    started = time.thread_time()
    for _ in range(ORDERS_A_RUN):
        one_order()
    return (time.thread_time() - started) / ORDERS_A_RUN * 1e6


def by_layer(stats: Any) -> Counter[str]:
    """Seconds by layer. A built-in function (but those of sqlite3) counts for its caller."""
    found: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in stats.stats.items():
        if file != "~":
            found[layer_of(file)] += own
        elif "sqlite3" in name or "SQLiteCursor" in name:
            found["SQLite itself"] += own
        else:
            for (caller, _, _), (_, _, seconds, _) in callers.items():
                found[layer_of(caller)] += seconds
    return found


def layer_of(file: str) -> str:
    return next((layer for part, layer in LAYERS if part in file), "the standard library and others")


def start(service: str) -> Any:
    """Set the service up; returns the function that does its part in one order."""
    django.setup()
    call_command("migrate", verbosity=0)
    handler = import_module("servicekit.runtime.wsgi").load()

    def request(method: str, path: str, body: bytes = b"", **headers: str) -> None:
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        sent = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        response = handler({**environ, **sent, **headers, "wsgi.errors": sys.stderr}, lambda *_: None)
        response.close()
        if response.status_code >= 300:
            raise SystemExit(f"{method} {path}: {response.status_code} {response.content!r}")

    def product_stub() -> None:
        path = f"/api/reservations/{uuid.uuid4()}/"
        request("PUT", path, b'{"items":[{"product_id":1,"quantity":1},{"product_id":2,"quantity":1}]}')
        request("POST", f"{path}confirm/")

    def payment_service() -> None:
        order = uuid.uuid4()
        body = b'{"order_id":"%s","amount":50.00,"currency":"USD"}' % str(order).encode()
        request("POST", "/api/payments/", body, HTTP_IDEMPOTENCY_KEY=f"order-{order}-pay-1")

    def order_service() -> None:
        request("POST", "/api/orders/", b'{"customer_name":"Alice","product_ids":[1,2]}')

    if service == "order_service":
        fakes = import_module("order_service.tests.fakes")
        run = import_module("order_service.orders.saga").Run(fakes.FakeProducts(), fakes.FakePayments())
        composition: Any = import_module("order_service.orders.composition")
        composition.a_run = lambda: run
    return {"product_stub": product_stub, "payment_service": payment_service, "order_service": order_service}[service]


if __name__ == "__main__":
    main(sys.argv[1])
