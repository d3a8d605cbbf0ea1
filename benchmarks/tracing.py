"""What traces cost: processor time of the three services for an order, without traces, at 10 % and at 100 %.

    python -m benchmarks.tracing [--rounds 5] [--orders 200]

Three stacks take turns, so that whatever else the machine does meets all of them alike; processor time is compared,
which does not depend on who else waits for the processor. A collector in this process takes what they send.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests import stack as stacks
from tests.collector import collecting
from tests.stack import Stack

CLIENTS: Final = 4
TICKS: Final = os.sysconf("SC_CLK_TCK")
ORDER: Final = {"customer_name": "Alice", "product_ids": [1], "payment_method_details": {"token": "tok_ok"}}
SUPPLY: Final = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=200, help="in each round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, collecting() as collector, ExitStack() as opened:
        template = Path(folder) / "migrated"
        template.mkdir()
        stacks.migrate(template)
        sampled = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
        ways: Mapping[str, Mapping[str, str]] = {
            "off": {},
            "10 %": {**sampled, "OTEL_TRACES_SAMPLER_ARG": "0.1"},
            "100 %": {**sampled, "OTEL_TRACES_SAMPLER_ARG": "1"},
        }
        running = {}
        for way, settings in ways.items():
            place = Path(folder) / way.replace(" ", "")
            place.mkdir()
            told = {name: {"LOG_LEVEL": "WARNING", "GATEWAY_DELAY_MS": "0", **settings} for name in stacks.SERVICES}
            running[way] = opened.enter_context(stacks.running_stack(template, place, settings=told, closed=False))
            running[way].products.post("/api/products/1/restock/", {"quantity": SUPPLY})
        costs: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(given.rounds + 1):
            for way, stack in running.items():
                cost = _round(stack, given.orders)
                if number:  # the first one warms up
                    costs[way].append(cost)
        base = statistics.median(costs["off"])
        for way, found in costs.items():
            middle = statistics.median(found)
            print(f"{way:>6}: {middle * 1000:.2f} ms of processor time an order, {100 * (middle / base - 1):+.1f} %")


def _round(stack: Stack, orders: int) -> float:
    """Seconds of processor time an order, at all three services."""
    before = _spent(stack)
    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = list(pool.map(lambda _: stack.orders.post("/api/orders/", ORDER).status, range(orders)))
    paid = statuses.count(201)
    if paid < orders * 0.9:
        raise RuntimeError(f"only {paid} of {orders} orders were paid")
    return (_spent(stack) - before) / orders


def _spent(stack: Stack) -> float:
    """Of every process in the groups of the servers."""
    groups = {service.group for service in stack.services.values()}
    spent = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) in groups:
            spent += int(fields[11]) + int(fields[12])
    return spent / TICKS


if __name__ == "__main__":
    main()
