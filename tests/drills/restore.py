"""`make drill-restore`: backups of three moments, everything destroyed and restored, and the books put right again.

Under load each service's database is backed up, one after another, in every order that there is. Then all processes
are killed and all databases are gone. What is restored is left to the workers, the audit says what the backups
disagree on, and the table of docs/databases.md puts it right.

Writes docs/drill-restore.md: a table for the engine that it ran on, those of others stay. Ends with 1 where the audit
named anything else than what the databases differ in, or a violation was left.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from tests import databases
from tests import stack as stacks
from tests.drills import books, pages, repairs
from tests.drills.repairs import Repair, Violation
from tests.drills.shopping import Shoppers
from tests.stack import ROOT, SERVICES, Stack

PAGE: Final = ROOT / "docs" / "drill-restore.md"
GUIDE: Final = ROOT / "docs" / "databases.md"
SHORT: Final[Mapping[str, str]] = {"order_service": "orders", "payment_service": "payments", "product_stub": "stock"}
ORDERS: Final = tuple(permutations(SERVICES))
CLIENTS: Final = 4
PAUSE_S: Final = 0.15
# Between two backups, and before the first and after the last.
BETWEEN_S: Final = 5.0
# An order that is paid later has so long, here: what waits is decided by the workers, before the audit.
EXPIRES_AFTER_S: Final = 20
MOST_ROUNDS: Final = 6
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "payment_service": {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "1"},
    "order_service": {"ORDER_EXPIRES_AFTER_S": str(EXPIRES_AFTER_S)},
}
# As docs/databases.md has it.
_COPY: Final = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
_HOLDING: Final = ("PROCESSING", "AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED")
_STOCK_OF: Final = {"PENDING": "HELD", "PAID": "CONFIRMED", "CANCELLED": "RELEASED", "REFUNDED": "RELEASED"}


@dataclass
class Result:
    """What became of one order of the backups.

    Attributes:
        lost: Orders that were answered 201 and are not in the orders' backup.
        given_back: Of those, how many had their money returned.
        named: How many orders the audit named, by the row of the table that was for them.
        missed, invented: Where it and the databases' own rows did not say the same.
        left: Violations at the end.
    """

    sequence: Sequence[str]
    placed: int = 0
    lost: int = 0
    given_back: int = 0
    named: Counter[str] = field(default_factory=Counter)
    differing: int = 0
    missed: set[tuple[str, str]] = field(default_factory=set)
    invented: set[tuple[str, str]] = field(default_factory=set)
    own: list[str] = field(default_factory=list)
    rounds: int = 0
    left: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not (self.missed or self.invented or self.own or self.left) and self.differing > 0


def main() -> int:
    given = _arguments()
    if databases.ENGINE == "mysql":
        print("The drill knows SQLite and PostgreSQL: make drill-restore DB=postgres", file=sys.stderr)
        return 2
    guide = repairs.read(GUIDE)
    chosen = [each for each in ORDERS if re.search(given.only, _words(each))]
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "migrated"
        template.mkdir()
        stacks.migrate(template)
        try:
            with ThreadPoolExecutor(given.at_once) as pool:
                results = list(
                    pool.map(
                        lambda each: _drill(each[1], guide, template, Path(folder) / str(each[0]), seed=given.seed),
                        enumerate(chosen),
                    )
                )
        finally:
            stacks.forget(template)
    if chosen == list(ORDERS):
        pages.write(PAGE, _TEXT.format(between=BETWEEN_S, expires=EXPIRES_AFTER_S), table(results))
    return 0 if results and all(result.is_right for result in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make drill-restore",
        description=__doc__,
        epilog="make drill-restore DB=postgres ARGS='--only \"orders, payments\"'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help='a pattern of the order of backups, like "^orders, stock"')
    parser.add_argument("--at-once", type=int, default=2, help="how many at a time, each with services of its own")
    parser.add_argument("--seed", type=int, default=7, help="of what the clients do (default %(default)s)")
    return parser.parse_args()


def _drill(sequence: Sequence[str], guide: Sequence[Repair], template: Path, folder: Path, *, seed: int) -> Result:
    folder.mkdir()
    result = Result(sequence)
    with stacks.running_stack(template, folder, settings=SETTINGS, closed=False) as stack:
        for name in SERVICES:
            stack.start_worker(name)
        shop = _shop_and_back_up(stack, sequence, folder, seed)
        result.placed = len(shop.placed)
        was_captured = {
            order_id for order_id, status in books.statuses(stack, "payment_service") if status == "CAPTURED"
        }
        _destroy(stack)
        for name in SERVICES:
            _restore(stack, name, folder / f"{name}.backup")
        _start_again(stack)
        books.wait_until_quiet(stack, with_waiting=True)
        is_there = {order_id for order_id, _ in books.statuses(stack, "order_service")}
        lost = shop.placed - is_there
        result.lost = len(lost)
        differing = dict(_differences(stack))
        result.differing = len(differing)
        across = _audit(stack, folder, result)
        named = {(each.order_id, _book(each)) for each in across}
        expected = {(order_id, book) for order_id, both in differing.items() for book in both}
        result.missed, result.invented = expected - named, named - expected
        _put_right(stack, folder, guide, across, result)
        gave_back = dict(books.statuses(stack, "payment_service"))
        result.given_back = sum(gave_back.get(order_id) == "REFUNDED" for order_id in lost & was_captured)
    words = f"{len(named)} named, {result.rounds} rounds" if result.is_right else f"WRONG: {result}"
    print(f"{databases.ENGINE}, {_words(sequence)}: {words}", flush=True)
    return result


def _shop_and_back_up(stack: Stack, sequence: Sequence[str], folder: Path, seed: int) -> Shoppers:
    urls = stack.services["order_service"].url, stack.services["payment_service"].url
    with Shoppers(*urls, clients=CLIENTS, seed=seed, pause_s=PAUSE_S) as shop:
        time.sleep(BETWEEN_S)
        for name in sequence:
            _back_up(stack, name, folder / f"{name}.backup")
            time.sleep(BETWEEN_S)
    return shop


def _back_up(stack: Stack, name: str, backup: Path) -> None:
    """With the services running."""
    db = stack.services[name].db
    if isinstance(db, databases.Postgres):
        _call("pg_dump", "--format=custom", f"--file={backup}", db.name, **_libpq(db))
    else:
        _call(sys.executable, "-c", _COPY, str(db.path), str(backup))


def _destroy(stack: Stack) -> None:
    """Every process at once, without a word, and then every database."""
    for process in stack.processes():
        process.signal(signal.SIGKILL)
    for process in stack.processes():
        process.kill()
    for name in SERVICES:
        db = stack.services[name].db
        db.drop()
        for ending in ("", "-wal", "-shm"):
            db.path.with_name(db.path.name + ending).unlink(missing_ok=True)


def _restore(stack: Stack, name: str, backup: Path) -> None:
    db = stack.services[name].db
    if isinstance(db, databases.Postgres):
        db.create()
        _call("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={db.name}", str(backup), **_libpq(db))
    else:
        shutil.copy(backup, db.path)


def _libpq(db: databases.Postgres) -> dict[str, str]:
    names = {"PGHOST": "DB_HOST", "PGPORT": "DB_PORT", "PGUSER": "DB_USER", "PGPASSWORD": "DB_PASSWORD"}
    return {name: db.environment[ours] for name, ours in names.items()}


def _call(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command, env={**stacks.base_environment(), **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def _start_again(stack: Stack) -> None:
    stack.start()
    for worker in stack.workers:
        worker.start()


def _differences(stack: Stack) -> Iterator[tuple[str, set[str]]]:
    """What the restored rows themselves differ in, without the audit: order id, and of which books, money or stock."""
    asked = "select id, status, total_amount, attempt, expires_at from orders_order"
    orders = {str(UUID(str(row[0]))): row[1:] for row in stack.services["order_service"].rows(asked)}
    asked = "select order_id, status, captured, void_requested from payments_payment"
    payments = {row[0]: row[1:] for row in stack.services["payment_service"].rows(asked)}
    reservations = dict(books.statuses(stack, "product_stub"))
    for order_id in {*orders, *payments, *reservations}:
        order, payment = orders.get(order_id), payments.get(order_id)
        found = set()
        if _money_differs(order, payment):
            found.add("money")
        wanted = "RELEASED" if order is None else _STOCK_OF[order[0]]
        if reservations.get(order_id, "RELEASED" if order is None else "") != wanted:
            found.add("stock")
        if found:
            yield order_id, found


def _money_differs(order: Sequence[Any] | None, payment: Sequence[Any] | None) -> bool:
    status, captured, is_refused = payment or ("", 0, False)
    if order is None:
        return status in _HOLDING
    if order[0] == "PAID":
        return status != "CAPTURED" or Decimal(str(captured)) != Decimal(str(order[1]))
    _, _, attempt, expires_at = order
    may_be_charged = order[0] == "CANCELLED" and (attempt > 0 or expires_at is not None)
    return status in _HOLDING or (may_be_charged and (not status or (status == "FAILED" and not is_refused)))


def _book(violation: Violation) -> str:
    return "stock" if violation.name == "stock_follows_the_order" or "reservation" in violation.message else "money"


def _audit(stack: Stack, folder: Path, result: Result) -> list[Violation]:
    """What the three differ in. What one service finds wrong with itself goes into the result."""
    across, own = books.audit(stack, folder)
    result.own += own
    return across


def _put_right(
    stack: Stack, folder: Path, guide: Sequence[Repair], across: Sequence[Violation], result: Result
) -> None:
    """By the table: for each order the first row that fits, then the audit again, until nothing is named."""
    for _ in range(MOST_ROUNDS):
        if not across:
            return
        result.rounds += 1
        for order_id, violations in repairs.by_order(across).items():
            repair = repairs.first_for(guide, violations)
            if repair is None:
                raise LookupError(f"docs/databases.md says nothing for {violations}")
            result.named[repair.text] += 1
            for call in repair.calls:
                call.make(stack.client(call.service), order_id, stack.orders)
        books.wait_until_quiet(stack, with_waiting=True)
        across = _audit(stack, folder, result)
    result.left = [f"{each.order_id}: {each.message}" for each in across]


def _words(sequence: Sequence[str]) -> str:
    return ", ".join(SHORT[name] for name in sequence)


_TEXT: Final = """\
# The restore drill

Made by `make drill-restore`, not by hand: `DB=postgres` for PostgreSQL. Real services and workers run, and four clients
buy, pay later, cancel and are declined. Meanwhile each database is backed up, {between:.0f} seconds after the one
before, in every order that there is. {between:.0f} seconds after the last all processes are killed and all databases
are gone. The backups are restored, servers and workers start, and work off what was under way. Then the audit
(`--no-strangers --quiet-for 0`) says what the backups disagree on.

It named exactly the orders that the rows of the three databases differ in, of money and of stock, which the drill reads
beside it. What it named was then put right by [the table](databases.md#restoring), call by call, until the audit named
nothing: no money is held for an order that is gone, no order is PAID without money, stock is as the orders say.

*Differ* are orders whose rows do; *not named* and *named beside* is where the audit said anything else. *Repairs* is
how often the table was gone through until nothing was *left*. *Gone* are orders that a client was told of and that the
orders' backup does not have; *given back* are those of them whose money was taken, and was returned. An unpaid order
waits {expires} s here. The gateway's books are in the payment service's own database, as they are for the simulated
one, and are restored with it.
"""
_TABLE: Final = """\
{when} UTC: **{right} of {all} orders of backups ended at no violation.**

| Backed up, first to last | Placed | Gone | Given back | Differ | Not named | Named beside | Repairs | Left |
|---|---|---|---|---|---|---|---|---|
{rows}

What was named, all together, and put right by that row of the table:

| The audit said | Orders |
|---|---|
{named}
"""


def table(results: Sequence[Result]) -> str:
    """What this run found, for the page."""
    rows = [
        f"| {_words(each.sequence)} | {each.placed} | {each.lost} | {each.given_back} | {each.differing} "
        f"| {len(each.missed)} | {len(each.invented)} | {each.rounds} | {len(each.left) + len(each.own)} |"
        for each in results
    ]
    named: Counter[str] = sum((each.named for each in results), Counter())
    return _TABLE.format(
        when=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}",
        right=sum(each.is_right for each in results),
        all=len(results),
        rows="\n".join(rows),
        named="\n".join(f"| {said} | {count} |" for said, count in named.most_common()),
    )


if __name__ == "__main__":
    sys.exit(main())
