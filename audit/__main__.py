"""What `make audit` does: let each service check its own books, then compare the three with each other.

The three are read one after the other, and the services may go on meanwhile. So whatever does not fit is looked at
again, and reported only when two looks in a row saw exactly the same of it: at the moment between them all three books
really said so.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Final

from audit import rules
from audit.exports import ORDERS, PAYMENTS, PRODUCTS, Commands, Exports, Unreadable
from audit.rules import Scope, Seen
from servicekit.invariants import checker
from servicekit.invariants.checker import Batch, Finding, Outcome, Pass

HELP: Final = """\
Check that no order was lost, nobody was charged twice, no money is held for a cancelled order and no unit of stock has
gone: first each service's own books (manage.py check_invariants), then the three with each other. Reads only; the
services and their workers may run meanwhile."""
EPILOG: Final = """\
Exit status: 0 when every invariant holds, 1 when any is violated, 2 when nothing was proven: a database is empty or
cannot be read.

examples:
  make audit
  python -m audit --quiet-for 0             when nothing is under way any more: nothing may be left undone
  python -m audit --run "docker-compose exec -T {host} python {service}/manage.py"
"""
# Whatever is looked at again is in memory, so it is as much at a time.
SUSPECTS_AT_ONCE: Final = 5_000
# Far more than a change takes; whatever still moves after so many looks is not stuck.
MOST_LOOKS: Final = 6

Sleep = Callable[[float], None]


def main() -> int:
    given = _arguments()
    commands = Commands(given.run)
    services = [ORDERS, PAYMENTS] + ([] if given.without_products else [PRODUCTS])
    as_json = ["--json"] if given.json else []
    statuses = [commands.check(service, ["--quiet-for", str(given.quiet_for), *as_json]) for service in services]
    scope = Scope(stock=not given.without_products, no_strangers=given.no_strangers)
    report = (checker.JsonReport if given.json else checker.TextReport)("across", partial(print, flush=True))
    try:
        with Exports() as exports:
            for service in services:
                exports.add(service, commands.export(service))
            again = Again(commands, services, scope, pause_s=given.pause)
            statuses.append(checker.check(_passes(exports, again), report))
    except Unreadable as problem:
        print(f"The books of {problem} cannot be read, so the three cannot be compared.", file=sys.stderr)
        statuses.append(Outcome.UNPROVEN)
    if Outcome.VIOLATED in statuses:
        return Outcome.VIOLATED
    return Outcome.UNPROVEN if any(statuses) else Outcome.HOLDS


class Again:
    """Looks again at what did not fit."""

    def __init__(
        self, commands: Commands, services: list[str], scope: Scope, *, pause_s: float, sleep: Sleep = time.sleep
    ) -> None:
        self._commands = commands
        self._services = services
        self._scope = scope
        self._pause_s = pause_s
        self._sleep = sleep

    def doubtful(self, exports: Exports) -> Iterator[tuple[str, Seen]]:
        return ((each, seen) for each, seen in exports.side_by_side() if any(rules.judge(seen, self._scope)))

    def confirmed(self, doubts: Mapping[str, Seen]) -> Iterator[Finding]:
        """What is wrong with those of which two looks in a row see the same."""
        for _ in range(MOST_LOOKS):
            if not doubts:
                return
            self._sleep(self._pause_s)
            with Exports() as exports:
                for service in self._services:
                    exports.add(service, self._commands.export(service, only=doubts))
                now = dict(self.doubtful(exports))
            for order_id, seen in now.items():
                if seen == doubts[order_id]:
                    yield from self._findings(order_id, seen)
            doubts = {order_id: seen for order_id, seen in now.items() if seen != doubts[order_id]}

    def _findings(self, order_id: str, seen: Seen) -> Iterator[Finding]:
        for invariant, message in rules.judge(seen, self._scope):
            yield Finding(invariant, f"order {order_id}", message)


def _passes(exports: Exports, again: Again) -> list[Pass]:
    def batches() -> Iterator[Batch]:
        yield Batch(exports.count(ORDERS), ())
        doubts = again.doubtful(exports)
        while some := dict(islice(doubts, SUSPECTS_AT_ONCE)):
            yield Batch(0, tuple(again.confirmed(some)))

    held = exports.count(PAYMENTS) + exports.count(PRODUCTS)
    return [
        Pass("orders", (*rules.OF_MONEY, *rules.OF_STOCK), batches, is_needed=True),
        Pass("payments and reservations", (rules.HAS_ITS_ORDER,), lambda: [Batch(held, ())]),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m audit",
        description=HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quiet-for",
        type=float,
        default=180.0,
        metavar="SECONDS",
        help="what is unfinished for longer than this is a violation (default %(default)s)",
    )
    parser.add_argument(
        "--pause", type=float, default=1.0, metavar="SECONDS", help="between two looks at a doubt (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--without-products", action="store_true", help="the product service is not the stub")
    parser.add_argument(
        "--no-strangers",
        action="store_true",
        help="a payment for an order that the order service does not know is a violation too; by default it is not, "
        "because the payment service has other clients",
    )
    parser.add_argument("--run", default="", metavar="COMMAND", help="how a service's manage.py is run, see below")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
