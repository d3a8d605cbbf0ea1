"""What a key costs: the processor's time of a request with one next to the same request of an open service.

    .venv/bin/python benchmarks/keyed.py

Both in turn in one process, straight into the WSGI handler of the product stub, over a database of its own: reading a
product, the cheapest request that there is, and a reservation. Then the look-up by itself. The best of many short runs.
"""

import io
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import django
from django.core.management import call_command

ROOT: Final = Path(__file__).resolve().parent.parent
RUNS, REQUESTS_A_RUN = 200, 25
LOOKUPS_A_RUN: Final = 1_000
ITEMS: Final = b'{"items":[{"product_id":1,"quantity":1},{"product_id":2,"quantity":1}]}'


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(
            DB_NAME=f"{directory}/db.sqlite3",
            DJANGO_SETTINGS_MODULE="product_stub.settings",
            ENV_FILE="",
            API_AUTH="off",
        )
        sys.path.insert(0, str(ROOT))
        django.setup()
        call_command("migrate", verbosity=0)
        handler = import_module("servicekit.runtime.wsgi").load()
        secret: str = import_module("servicekit.apikeys.issuing").create("shop", ["products:read", "reservations"])
        find: Callable[[str], object] = import_module("servicekit.apikeys.guard").ring.find
        output = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # log lines are made and written, but not shown
        of_each = {
            "reading a product": compare(handler, secret, lambda: ("GET", "/api/products/1/", b"")),
            "a reservation": compare(handler, secret, lambda: ("PUT", f"/api/reservations/{uuid.uuid4()}/", ITEMS)),
        }
        look_up_us = min(microseconds(lambda: find(secret), LOOKUPS_A_RUN) for _ in range(RUNS))
        os.dup2(output, 1)
    for what, (open_us, keyed_us) in of_each.items():
        print(f"{what}: {open_us:.0f} µs open, {keyed_us:.0f} µs with a key, {keyed_us / open_us:.3f} of it")
    print(f"the look-up: {look_up_us:.1f} µs")


def compare(handler: Any, secret: str, asked: Callable[[], tuple[str, str, bytes]]) -> tuple[float, float]:
    """Microseconds of a request, of an open service and with a key."""
    settings: Any = import_module("django.conf").settings

    def one() -> None:
        method, path, body = asked()
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        sent = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        key = {"HTTP_AUTHORIZATION": f"Bearer {secret}"} if settings.API_AUTH else {}
        response = handler({**environ, **sent, **key, "wsgi.errors": sys.stderr}, lambda *_: None)
        response.close()
        if response.status_code >= 300:
            raise SystemExit(f"{method} {path}: {response.status_code} {response.content!r}")

    open_us = keyed_us = float("inf")
    for _ in range(RUNS):
        settings.API_AUTH = False
        open_us = min(open_us, microseconds(one, REQUESTS_A_RUN))
        settings.API_AUTH = True
        keyed_us = min(keyed_us, microseconds(one, REQUESTS_A_RUN))
    return open_us, keyed_us


def microseconds(do: Callable[[], object], times: int) -> float:
    """Of the processor's time, for one."""
    started = time.thread_time()
    for _ in range(times):
        do()
    return (time.thread_time() - started) / times * 1e6


if __name__ == "__main__":
    main()
