"""Whether an order costs more as the tables grow: a service's part in it on full tables next to the same on empty ones.

    .venv/bin/python -m benchmarks.growing order_service [ORDERS]       (or payment_service, product_stub)
    scripts/databases run postgres -- .venv/bin/python -m benchmarks.growing order_service

Two processes take turns, each with a database of its own, so what else the machine does counts for both. One has ORDERS
behind it (30,000). Processor time of the service without a server around it, as in `where_time_goes.py`.
"""

import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks import where_time_goes

ROOT: Final = Path(__file__).resolve().parent.parent
ROUNDS: Final = 15
ORDERS_A_ROUND: Final = 200


def main(service: str, orders: int) -> None:
    with ExitStack() as opened:
        full, empty = (opened.enter_context(_Turns(service)) for _ in range(2))
        full.take(orders)
        empty.take(ORDERS_A_ROUND)
        took: dict[str, list[float]] = {"full": [], "empty": []}
        for _ in range(ROUNDS):
            took["full"].append(full.take(ORDERS_A_ROUND))
            took["empty"].append(empty.take(ORDERS_A_ROUND))
    on_full, on_empty = (statistics.median(each) for each in took.values())
    print(f"{service}: {on_full:.0f} µs an order with {orders} behind it, {on_empty:.0f} µs with none")
    print(f"ratio {on_full / on_empty:.3f}, memory of the process {full.grown_kb:.0f} kB more after {orders} orders")


class _Turns:
    """A process that does its service's part in orders whenever it is told to."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.grown_kb = 0.0

    def __enter__(self) -> "_Turns":
        command = [sys.executable, "-m", "benchmarks.growing", self._service, "--turns"]
        self._process: Any = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def take(self, orders: int) -> float:
        """Microseconds of processor time for each of so many orders."""
        self._process.stdin.write(f"{orders}\n")
        self._process.stdin.flush()
        us, self.grown_kb = map(float, self._process.stdout.readline().split())
        return float(us)


def take_turns(service: str) -> None:
    """The process itself: a number of orders comes in, what each took goes out."""
    told = os.fdopen(os.dup(1), "w", buffering=1)
    with where_time_goes.ready(service) as one_order:
        before_kb = _resident_kb()
        for line in sys.stdin:
            began = time.thread_time()
            for _ in range(int(line)):
                one_order()
            told.write(f"{(time.thread_time() - began) / int(line) * 1e6} {_resident_kb() - before_kb}\n")


def _resident_kb() -> int:
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1])


if __name__ == "__main__":
    if sys.argv[2:] == ["--turns"]:
        take_turns(sys.argv[1])
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30_000)
