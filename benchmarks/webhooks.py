"""Webhooks: deliveries a second of one worker, and how long after its event one arrives under load.

    .venv/bin/python benchmarks/webhooks.py

The three services and a receiver on this machine, SQLite. First orders are placed without a worker, then it delivers
all of their events; then it delivers while orders come, one after another.
"""

import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import stack as stacks
from tests.receivers import Received, Receiver, Reply, receiver
from tests.stack import Stack, wait_until

ORDERS: Final = 100
SETTINGS: Final = {"order_service": {"WEBHOOK_ALLOW": "127.0.0.0/8"}}


def main() -> None:
    arrived: list[float] = []

    def note(_: int, got: Received) -> Reply:
        happened = datetime.fromisoformat(json.loads(got.body)["timestamp"].replace("Z", "+00:00"))
        arrived.append(time.time() - happened.timestamp())
        return Reply()

    with tempfile.TemporaryDirectory() as folder, receiver(note) as there:
        template = Path(folder, "template")
        template.mkdir()
        stacks.migrate(template)
        running = Path(folder, "running")
        running.mkdir()
        with stacks.running_stack(template, running, settings=SETTINGS) as stack:
            stack.orders.post("/api/webhooks/", {"url": there.url, "events": ["*"]})
            place(stack, ORDERS)
            stack.start_worker("order_service")
            wait_until(lambda: there.received, what="the first delivery")
            began, before = time.monotonic(), len(there.received)
            wait_until_all(stack, there)
            print(f"{(len(there.received) - before) / (time.monotonic() - began):.0f} deliveries a second")
            arrived.clear()
            place(stack, ORDERS)
            wait_until_all(stack, there)
            lags = sorted(arrived)
            print(f"lag: {lags[len(lags) // 2]:.2f} s in the middle, {lags[len(lags) * 95 // 100]:.2f} s at 95 of 100")


def place(stack: Stack, count: int) -> None:
    orders = stack.orders
    for _ in range(count):
        orders.post("/api/orders/", {"customer_name": "Alice", "items": [{"product_id": 2, "quantity": 1}]})


def wait_until_all(stack: Stack, there: Receiver) -> None:
    rows = stack.services["order_service"].rows
    wait_until(
        lambda: len(set(there.ids())) == rows("select count(*) from events_event")[0][0],
        within_s=300.0,
        what="all of them",
    )


if __name__ == "__main__":
    main()
