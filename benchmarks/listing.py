"""What a page of `GET /v1/payments` costs with 1,000 and with 1,000,000 payments in the ledger.

    .venv/bin/python benchmarks/listing.py [ROWS]

Makes two ledgers in a temporary folder, imports made-up payments into them, asks for the same pages of both over the
service's own WSGI application, and prints milliseconds (best of five) side by side. The number that is left to grow is
the exact `total`: it is counted within an index, without reading a payment.
"""

import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MANAGE: Final = ROOT / "payment_service" / "manage.py"
SMALL: Final = 1_000
BEST_OF: Final = 5
QUERIES: Final = (
    "page=1",
    "page=last",
    "page=1&sort_by_created=asc",
    "page=1&method=UPI",
    "page=1&status=FAILED",
    "page=1&method=UPI&status=SUCCESS",
    "page=last&method=UPI&status=SUCCESS",
    "page=1&refunded=true",
    "page=1&order_id=700001",
    "page=1&amount_gt=100&amount_lt=5000",
    "page=1&start_date=2024-01-01&end_date=2024-01-02",
    "page=1&method=UPI&status=SUCCESS&amount_gt=100&start_date=2024-01-01&refunded=false",
)
# Runs with the ledger's own settings and database, and prints a line for each query.
ASK: Final = """
import sys, time
sys.path.insert(0, {root!r})
import django
django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
for query in {queries!r}:
    answer = client.get("/v1/payments?" + query.replace("last", "1")).json()
    assert "total" in answer, (query, answer)
    total = answer["total"]
    path = "/v1/payments?" + query.replace("last", str(max(1, -(-total // 10))))
    times = []
    for _ in range({best_of}):
        began = time.perf_counter()
        assert client.get(path).status_code == 200, path
        times.append(time.perf_counter() - began)
    print(total, min(times) * 1000)
"""


def write_payments(path: Path, rows: int) -> None:
    draw, moment = random.Random(1), datetime(2024, 1, 1, tzinfo=timezone.utc)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["payment_id", "order_id", "amount", "method", "status", "reference", "created_at", "refunded"])
        for number in range(1, rows + 1):
            moment += timedelta(seconds=draw.randrange(1, 60))
            status = "FAILED" if draw.random() < 0.05 else "SUCCESS"
            amount = f"{draw.randrange(1, 10_000)}.{draw.randrange(100):02}"
            method = draw.choice(["UPI", "CARD", "COD"])
            out.writerow(
                [
                    number,
                    700000 + number,
                    amount,
                    method,
                    status,
                    f"B-{number}",
                    moment.isoformat(),
                    int(status == "SUCCESS" and draw.random() < 0.03),
                ]
            )


def measure(rows: int, folder: Path) -> list[tuple[int, float]]:
    """(total, milliseconds) of each query on a ledger of so many payments."""
    database, file = folder / f"{rows}.sqlite3", folder / f"{rows}.csv"
    environment = {
        **os.environ,
        "DB_NAME": str(database),
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "payment_service.settings",
    }
    write_payments(file, rows)
    for arguments in (["migrate", "--verbosity=0"], ["import_payments", str(file)]):
        subprocess.run([sys.executable, MANAGE, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    script = ASK.format(root=str(ROOT), queries=QUERIES, best_of=BEST_OF)
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [(int(total), float(ms)) for total, ms in (line.split() for line in said.splitlines())]


def main() -> None:
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        small_times, large_times = measure(SMALL, Path(folder)), measure(large, Path(folder))
    print(f"{'query':<82} {SMALL:>9,} {large:>11,}  payments in the ledger")
    for query, (_, small_ms), (total, large_ms) in zip(QUERIES, small_times, large_times, strict=True):
        print(f"{query:<82} {small_ms:>6.1f} ms {large_ms:>8.1f} ms  ({total:,} fit)")
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
