"""What each part of the fast path saves: an order's processor time with all of it, and without each.

    .venv/bin/python benchmarks/fastpath.py [ROUNDS]

Each is measured in a process of its own, in turn with the whole, ROUNDS times (3); the best of each counts. No network:
what the way of the calls saves (`calls`) is not in it.
"""

import os
import subprocess
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
SERVICES: Final = ("order_service", "payment_service", "product_stub")


def main(rounds: int) -> None:
    fastpath: Any = import_module("servicekit.fastpath")
    each = [f"{fastpath.ALL_BUT}{trick}" for trick in fastpath.TRICKS if trick != "calls"]
    choices = [fastpath.ON, *each, fastpath.OFF]
    found: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for _ in range(rounds):
        for choice in choices:
            for service in SERVICES:
                found[choice, service].append(measure(service, choice))
    whole_us = whole_calls = 0.0
    for choice in choices:
        best = [min(found[choice, service]) for service in SERVICES]
        us, calls = sum(time for time, _ in best), sum(count for _, count in best)
        if choice == fastpath.ON:
            whole_us, whole_calls = us, calls
        print(
            f"{choice:24} {us:6.0f} µs {calls:6.0f} calls   {us - whole_us:+6.0f} µs {calls - whole_calls:+6.0f} calls"
        )


def measure(service: str, choice: str) -> tuple[float, int]:
    """Microseconds and calls of Python functions of the service's part in one order."""
    command = [sys.executable, str(ROOT / "benchmarks" / "where_time_goes.py"), service]
    done = subprocess.run(
        command, env={**os.environ, "FASTPATH": choice, "ENV_FILE": ""}, capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(f"{service}: "))
    words = line.split()
    return float(words[1]), int(words[4])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
