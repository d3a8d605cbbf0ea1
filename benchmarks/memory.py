"""How much memory each process of the services needs at most under load: what the charts' limits are measured by.

    .venv/bin/python -m benchmarks.memory [ORDERS]

Places ORDERS (2,000) from eight clients at once, reads lists in between, and prints the high-water mark of each process
in MiB (VmHWM), the server's process above the others among them.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.client import Http
from tests.stack import Stack, begin_from_nothing, migrate, running_stack

CLIENTS: Final = 8


def main(orders: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        template, own = Path(folder) / "template", Path(folder) / "own"
        template.mkdir()
        own.mkdir()
        migrate(template)
        with running_stack(template, own, prepare=_each_from_nothing) as stack:
            stack.start_workers()
            stack.start_worker("product_stub")
            url = stack.services["order_service"].url
            stack.products.post("/api/products/1/restock/", {"quantity": orders})
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda number: _shop(url, number), range(orders)))
            for process in stack.processes():
                for pid in _with_children(process.group or 0):
                    print(f"{process.name:24} {_command(pid):20} {_most_mebibytes(pid):6.0f} MiB")


def _each_from_nothing(stack: Stack) -> None:
    """Not forked from a process that has everything loaded: its pages would be shared."""
    for service in stack.services.values():
        service.begin = begin_from_nothing


def _shop(url: str, number: int) -> None:
    client = Http(url)
    client.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1]})
    if number % 50 == 0:
        client.get("/api/orders/?per_page=200")
        client.get("/metrics")


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _with_children(int(child))


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return next((word for word in words if word in ("servicekit.server", "worker")), "process")


def _most_mebibytes(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 2_000)
