"""One run of a plan, on a stack of its own."""

import logging
import math
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import stack as stacks
from tests.faults.chaos import proving
from tests.faults.chaos.customers import Memory, Shop
from tests.faults.chaos.nemesis import Nemesis
from tests.faults.chaos.plan import LINKS, WORKERS, Plan
from tests.faults.checking import checking
from tests.faults.faulty_proxy import FaultyProxy, faulty_proxy
from tests.stack import ROOT, SERVICES, Process, Stack

# So many are there at once, for each who comes in a second. More than the services have threads, so that some wait.
CLIENTS: Final = 3
# After the last fault, everything must be finished in this time, and in so much more for each customer: all their
# orders are looked through to see it.
QUIET_WITHIN_S: Final = 90.0
QUIET_FOR_EACH_S: Final = 0.01
# The requests that are asked again in the end, to hear the same.
ASKED_AGAIN: Final = 400
# At least, and one for so many customers.
SCARCE_UNITS: Final = 40
SCARCE_FOR: Final = 50
PLANTED: Final = ROOT / "tests" / "faults" / "planted"

# A short life for what a dead process holds, and little patience with peers: each wait of production comes, but sooner.
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        "ORDER_LEASE_S": "7",
        "ORDER_DEADLINE_S": "2.5",
        "PRODUCT_DEADLINE_S": "1.5",
        "HTTP_READ_TIMEOUT_S": "1.2",
        "ORDER_EXPIRES_AFTER_S": "6",
        "BREAKER_OPEN_S": "0.3",
    },
    "payment_service": {
        "PAYMENT_LEASE_S": "3",
        "PAYMENT_SETTLE_S": "6",
        "GATEWAY_DELAY_MS": "5-80",
        "GATEWAY_TIMEOUT_S": "0.6",
        "GATEWAY_SLOW_S": "1.5",
        "HTTP_READ_TIMEOUT_S": "1.5",
        "BREAKER_OPEN_S": "0.3",
        "ORDER_DEADLINE_S": "2",
    },
    "product_stub": {},
}
# A key that a killed request holds can be used again after this long; longer than any request and any freeze.
KEY_LOCK_S: Final = "15"

# It tells of every connection that is broken, which here is what links are for.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

Tell = Callable[[str], None]


@dataclass
class Verdict:
    """What a run came to. `violations` are the checkers', `problems` what customers were told and is not so."""

    violations: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    quiet_after_s: float = 0.0

    @property
    def is_clean(self) -> bool:
        return not self.violations and not self.problems


def run(
    plan: Plan,
    tell: Tell = lambda _: None,
    *,
    bugs: tuple[str, ...] = (),
    folder: Path | None = None,
    migrated: Path | None = None,
) -> Verdict:
    """Run it, and check everything.

    Args:
        tell: Gets a line about how far it is, now and then.
        bugs: Planted bugs (`tests/faults/planted/bugs.py`) to be awake.
        folder: Where the databases and logs stay; without one nothing does.
        migrated: Empty databases to copy from, where there are some.
    """
    with ExitStack() as opened:
        links = {name: opened.enter_context(faulty_proxy()) for name in LINKS}
        place = opened.enter_context(_folder(folder))
        stack = opened.enter_context(_stack(place, migrated, bugs, links))
        processes: dict[str, Process] = dict(stack.services)
        processes |= {name: stack.start_worker(name.split()[0]) for name in WORKERS}
        memory = Memory()
        product = {"name": "Scarce", "price": "5.00", "stock": max(SCARCE_UNITS, len(plan.customers) // SCARCE_FOR)}
        scarce = stack.products.post("/api/products/", product).json["id"]
        urls = {name: service.url for name, service in stack.services.items()}
        shop = Shop(urls, memory, scarce=scarce, seed=plan.seed)
        nemesis = Nemesis(processes, links)
        _let_it_happen(plan, shop, nemesis, tell)
        return _prove(plan, stack, shop, nemesis, tell)


def _clients(plan: Plan) -> int:
    """How many customers are there at once; one at least, for a plan so short that nobody comes."""
    return max(1, math.ceil(CLIENTS * plan.rate))


def _let_it_happen(plan: Plan, shop: Shop, nemesis: Nemesis, tell: Tell) -> None:
    began, closing = time.monotonic(), threading.Event()
    nemesis.play(plan.faults, began=began)
    with ThreadPoolExecutor(_clients(plan)) as pool:
        for customer in plan.customers:
            time.sleep(max(0.0, began + customer.at_s - time.monotonic()))
            pool.submit(shop.visit, customer, closing)
            passed = time.monotonic() - began
            tell(f"{passed:6.1f} of {plan.seconds:.0f} s: {_how_far(shop.memory, nemesis)}")
        time.sleep(max(0.0, began + plan.seconds - time.monotonic()))
        nemesis.end()
        tell(f"The faults are over: {_how_far(shop.memory, nemesis)}")


def _how_far(memory: Memory, nemesis: Nemesis) -> str:
    return f"{len(memory.asked)} requests, {memory.answered} answered, {nemesis.done.total()} faults"


def _prove(plan: Plan, stack: Stack, shop: Shop, nemesis: Nemesis, tell: Tell) -> Verdict:
    """Have every request answered, wait until all is quiet, then compare the books, also with what was told."""
    over = time.monotonic()
    verdict = Verdict(faults=nemesis.done, problems=list(nemesis.problems))
    within_s = QUIET_WITHIN_S + QUIET_FOR_EACH_S * len(plan.customers)
    unanswered = [asked for asked in shop.memory.asked if not asked.is_answered]
    tell(f"{len(unanswered)} requests have no answer yet, and are asked again")
    with ThreadPoolExecutor(_clients(plan)) as pool:
        for asked in unanswered:
            pool.submit(shop.insist, asked, for_s=within_s)
    with checking(stack) as checker:
        tell("Waiting until nothing is under way")
        found = checker.settle(within_s=within_s)
        verdict.quiet_after_s = time.monotonic() - over
        verdict.violations = [
            " ".join((each.number, each.name, each.where, each.subject, each.message)) for each in found
        ]
        tell("Comparing with what was told")
        verdict.problems += proving.problems_in(stack, shop.memory)
        verdict.problems += proving.answered_otherwise(stack, shop.memory, at_most=ASKED_AGAIN)
    verdict.asked.update(asked.do for asked in shop.memory.asked)
    # The last of each customer: what a 503 gave the key back for was placed again.
    rows = stack.services["order_service"].rows(
        "select status, count(*) from orders_order where number in "
        "(select max(number) from orders_order group by customer_name) group by status"
    )
    verdict.orders.update(dict(rows))
    return verdict


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        yield Path(folder)


@contextmanager
def _stack(
    folder: Path, migrated: Path | None, bugs: tuple[str, ...], links: Mapping[str, FaultyProxy]
) -> Iterator[Stack]:
    empty, databases, awake = (folder / name for name in ("empty", "stack", "awake"))
    for each in (empty, databases, awake):
        each.mkdir(exist_ok=True)
    for bug in bugs:
        (awake / bug).touch()
    own: dict[str, Any] = {
        "PYTHONPATH": f"{PLANTED}:{ROOT}",
        "PLANTED_BUGS": str(awake),
        "PLANTED_KEY_LOCK_S": KEY_LOCK_S,
    }
    peers = {
        "order_service": {
            "PAYMENT_SERVICE_URL": f"{links['order->payment'].url}/api/payments/",
            "PRODUCT_SERVICE_URL": f"{links['order->product'].url}/api/products/",
        },
        "payment_service": {"ORDER_SERVICE_URL": f"{links['payment->order'].url}/api/orders/"},
        "product_stub": {},
    }
    settings = {name: {**SETTINGS[name], **peers[name], **own} for name in SERVICES}

    def connect(stack: Stack) -> None:
        for name, each in links.items():
            each.target = stack.services[LINKS[name]].url

    with ExitStack() as opened:
        if migrated is None:
            stacks.migrate(empty)
        yield opened.enter_context(
            stacks.running_stack(migrated or empty, databases, settings=settings, prepare=connect)
        )
