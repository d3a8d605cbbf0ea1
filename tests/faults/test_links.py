"""Everything that a network does to a request, on each call between the services: the first time, and for a while.

All of it at once, on one stack: every order has a fault of its own. Afterwards each has ended as it must.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

import nightly
from tests import stack as stacks
from tests.faults import outcomes, scenario_clients
from tests.faults.checking import checking
from tests.faults.faulty_proxy import FAULTS, PASSES, Call, FaultyProxy, Rule, Treatment, faulty_proxy
from tests.faults.result_log import ResultLog
from tests.faults.scenario_clients import CONFIRMS_AT_ONCE, KINDS, NEVER_PAYS, Kind, ScenarioClient
from tests.stack import Stack, wait_until

ORDER_TO_PAYMENT, ORDER_TO_PRODUCT, PAYMENT_TO_ORDER = "order->payment", "order->product", "payment->order"
PEER_OF: Final = {
    ORDER_TO_PAYMENT: "payment_service",
    ORDER_TO_PRODUCT: "product_stub",
    PAYMENT_TO_ORDER: "order_service",
}
# With it each call fails for a while, too, where it is repeated until it works.
LONG: Final = nightly.IS_NIGHT
AT_ONCE: Final = 8
# On a busy machine an order may end before it comes to the call that is to meet its fault: then another one is placed.
MOST_ORDERS: Final = 3
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The whole order with all its attempts, what follows its end, and a machine with other things to do.
ANSWERED_WITHIN_S: Final = 15.0
# Seconds that a sender waits for an answer.
READ_TIMEOUT_S: Final = 1.2
# Faults after which the sender has its answer all the same.
HARMLESS: Final = frozenset({"held back", "delivered twice", "delivered twice at once"})
# The fault by which those that come together are told to come again.
PARTS_THEM: Final = "connection reset before the peer has seen it"
# No circuit opens: what waits behind it would not meet its fault.
COMMON: Final = {"HTTP_READ_TIMEOUT_S": str(READ_TIMEOUT_S), "BREAKER_FAILURES": "100000"}
SETTINGS: Final = {
    "order_service": {"ORDER_LEASE_S": "9", "ORDER_DEADLINE_S": "4", "PRODUCT_DEADLINE_S": "3", **COMMON},
    "payment_service": {
        "PAYMENT_LEASE_S": "3",
        "PAYMENT_SETTLE_S": "3",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        **COMMON,
    },
    "product_stub": {},
}


@dataclass(frozen=True)
class Operation:
    """A call between two services: on which link, what it looks like, and whose order it is made for.

    Attributes:
        tries: After so many in vain the order is cancelled; 0: it is tried until it works.
    """

    link: str
    call: str
    kind: Kind
    tries: int = 0
    numbers: tuple[int, ...] = (31,)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "reserving": Operation(ORDER_TO_PRODUCT, r"PUT /api/reservations/", KINDS["pays at once"], 3, (19, 21)),
    "charging": Operation(ORDER_TO_PAYMENT, r"POST /api/payments/$", KINDS["pays at once"], 3, (10, 11, 19, 31)),
    "charging a card": Operation(ORDER_TO_PAYMENT, r"POST /api/payments/$", KINDS["pays by card"], 3, (10, 11, 19, 31)),
    "selling": Operation(ORDER_TO_PRODUCT, r"POST .*/confirm/", KINDS["pays at once"], 0, (19, 21)),
    "releasing": Operation(ORDER_TO_PRODUCT, r"DELETE ", KINDS["has no money"], 0, (19, 22)),
    "voiding": Operation(ORDER_TO_PAYMENT, r"POST .*/void/", KINDS["has no money"]),
    "refunding": Operation(ORDER_TO_PAYMENT, r"POST .*/void/", KINDS["cancels a paid order"]),
    "returning": Operation(ORDER_TO_PRODUCT, r"DELETE ", KINDS["cancels a paid order"], 0, (19, 22)),
    "asking what an order costs": Operation(PAYMENT_TO_ORDER, r"GET ", KINDS["pays later"]),
    "telling of a payment": Operation(PAYMENT_TO_ORDER, r"POST .*/payment/", KINDS["pays later"], 0, (19, 31)),
    "asking what was paid": Operation(ORDER_TO_PAYMENT, r"GET ", KINDS["pays later"]),
    "asking before it expires": Operation(ORDER_TO_PAYMENT, r"GET ", NEVER_PAYS),
    # The payer's way: before the bank's page is known, after it was answered, and where the answer comes too late.
    "charging what a payer confirms": Operation(
        ORDER_TO_PAYMENT, r"POST /api/payments/$", KINDS["confirms the payment"], 3, (10, 11, 19, 31)
    ),
    "asking what a payer has confirmed": Operation(ORDER_TO_PAYMENT, r"GET ", CONFIRMS_AT_ONCE),
    "telling what a payer has confirmed": Operation(
        PAYMENT_TO_ORDER, r"POST .*/payment/", CONFIRMS_AT_ONCE, 0, (19, 31)
    ),
    "voiding what a payer confirms all the same": Operation(
        ORDER_TO_PAYMENT, r"POST .*/void/", KINDS["cancels, and confirms all the same"]
    ),
}


@dataclass(frozen=True)
class Cell:
    """One order's fault: on which call, and how many times in a row."""

    operation: str
    fault: str
    times: int

    @property
    def kind(self) -> Kind:
        return OPERATIONS[self.operation].kind

    @property
    def ends(self) -> str:
        gives_up = 0 < OPERATIONS[self.operation].tries <= self.times and self.fault not in HARMLESS
        return "CANCELLED" if gives_up else self.kind.ends

    def __str__(self) -> str:
        return f"{self.operation}, {self.fault}, {self.times} times"


def _cells() -> Iterator[Cell]:
    for name, operation in OPERATIONS.items():
        for fault in FAULTS:
            yield Cell(name, fault, times=1)
            if operation.tries or LONG:
                yield Cell(name, fault, times=3)


# By the quantity that its order is over.
CELLS: Final = dict(enumerate(_cells(), start=1))


class Plan:
    """The rules of all links: an order's fault is known by its quantity, which the reservation tells."""

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.met: Counter[Cell] = Counter()

    def rule(self, name: str) -> Rule:
        return lambda call: self._treatment(name, call)

    def _treatment(self, name: str, call: Call) -> Treatment:
        order_ids = UUID.findall(call.path) or UUID.findall(call.body.decode())
        if call.method == "PUT":
            self.cells[order_ids[0]] = CELLS[call.json["items"][0]["quantity"]]
        cells = (self.cells[order_id] for order_id in order_ids if order_id in self.cells)
        due = [cell for cell in cells if self._is_due(name, call, cell)]
        if len(due) > 1:  # asked for many orders at once: until each comes by itself
            return FAULTS[PARTS_THEM]
        if not due:
            return PASSES
        self.met[due[0]] += 1
        return FAULTS[due[0].fault]

    def _is_due(self, name: str, call: Call, cell: Cell) -> bool:
        operation = OPERATIONS[cell.operation]
        looks_like_it = re.match(operation.call, f"{call.method} {call.path}")
        return bool(operation.link == name and looks_like_it and self.met[cell] < cell.times)


@dataclass
class Campaign:
    """What came of it: every order's customer, how often its fault was met, and what is not as promised."""

    clients: list[tuple[Cell, ScenarioClient]]
    met: Counter[Cell]
    problems: list[str]


@pytest.fixture(scope="module")
def campaign(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    with ExitStack() as opened:
        links = {name: opened.enter_context(faulty_proxy()) for name in PEER_OF}
        settings = {
            **SETTINGS,
            "order_service": {
                **SETTINGS["order_service"],
                "PAYMENT_SERVICE_URL": f"{links[ORDER_TO_PAYMENT].url}/api/payments/",
                "PRODUCT_SERVICE_URL": f"{links[ORDER_TO_PRODUCT].url}/api/products/",
            },
            "payment_service": {
                **SETTINGS["payment_service"],
                "ORDER_SERVICE_URL": f"{links[PAYMENT_TO_ORDER].url}/api/orders/",
            },
        }
        stack = opened.enter_context(
            stacks.running_stack(migrated, tmp_path_factory.mktemp("links"), settings=settings, prepare=_give_threads)
        )
        yield run(stack, links)


def _give_threads(stack: Stack) -> None:
    """Enough that nobody waits because others do, so that every order meets its own fault and no other."""
    for service in stack.services.values():
        service.environment["SERVER_THREADS"] = str(2 * AT_ONCE)


def run(stack: Stack, links: Mapping[str, FaultyProxy]) -> Campaign:
    plan = Plan()
    for name, each in links.items():
        each.target = stack.services[PEER_OF[name]].url
        each.rule = plan.rule(name)
    unpaid = [number for number, cell in CELLS.items() if cell.kind is NEVER_PAYS]
    clients = list(zip((CELLS[number] for number in unpaid), scenario_clients.never_pay(stack, unpaid), strict=True))
    stack.start_workers()
    paying = {number: cell for number, cell in CELLS.items() if cell.kind is not NEVER_PAYS}
    for _ in range(MOST_ORDERS):
        clients += [(cell, _customer(stack, number, cell)) for number, cell in paying.items() if not plan.met[cell]]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(_until_content, [client for _, client in clients]))
        outcomes.wait_until_quiet(stack)
    for cell, client in clients:
        client.is_exact = client.answers[0].elapsed_s < cell.times * READ_TIMEOUT_S + READ_TIMEOUT_S
    with checking(stack) as checker:
        problems = [*outcomes.problems_in(stack, [client for _, client in clients]), *map(str, checker.violations())]
    return Campaign(clients, plan.met, problems)


def _customer(stack: Stack, number: int, cell: Cell) -> ScenarioClient:
    return ScenarioClient(str(cell), replace(cell.kind, ends=cell.ends), stack, quantity=number)


def _until_content(client: ScenarioClient) -> None:
    wait_until(client.go_on, what=f"{client} is content")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_the_network_does_the_order_ends_as_it_must(
    campaign: Campaign, operation: str, result_log: ResultLog
) -> None:
    """Each order has met its fault and ended well, answered in time; its money is held once or not at all."""
    cells = [cell for cell in CELLS.values() if cell.operation == operation]
    assert [str(cell) for cell in cells if campaign.met[cell] == 0] == []
    assert campaign.problems == []
    clients = [(cell, client) for cell, client in campaign.clients if cell.operation == operation]
    answers = [(str(cell), answer.elapsed_s) for cell, client in clients for answer in client.answers]
    assert [each for each in answers if each[1] > ANSWERED_WITHIN_S] == []
    result_log(
        f"the network fails while {operation} ({OPERATIONS[operation].link})",
        injected=f"by a proxy, at first and for a while: {', '.join(FAULTS)}",
        times=sum(campaign.met[cell] for cell in cells),
        checks="order ends as it must, charged at most once at the bank, answered in time; I1-I10",
        numbers=OPERATIONS[operation].numbers,
    )
