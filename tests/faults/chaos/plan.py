"""What will happen, all of it, from a seed alone: who buys what and does what with it, and what breaks when.

A plan is data. It can be kept in a file, run again, and run with fewer faults.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.faults import faulty_proxy

# Of what an order is made. SCARCE is a product with too few units for all who want it.
SCARCE: Final = 0
PRICES: Final[Mapping[int, str]] = {1: "30.00", 2: "20.00", SCARCE: "5.00"}
SOLD_OUT, UNKNOWN = 6, 99

# Tokens of the simulated gateway (docs/gateways.md), each as often as it is in the list; "" is chance.
CARDS: Final = (
    *["tok_ok"] * 6,
    "",
    "tok_card_declined",
    "tok_insufficient_funds",
    "tok_decline_then_approve",
    "tok_decline_twice_then_approve",
    "tok_unavailable_once",
    "tok_lose_request",
    "tok_charge_then_lose_reply",
    "tok_slow",
    "tok_refund_fails_once",
    "tok_refund_then_lose_reply",
)

SERVICES: Final = ("order_service", "payment_service", "product_stub")
WORKERS: Final = (
    "order_service worker 1",
    "order_service worker 2",
    "payment_service worker 1",
    "payment_service worker 2",
)
# What is done to a process; how long it stays so, in seconds.
PROCESS_FAULTS: Final[Mapping[str, tuple[float, float]]] = {
    "kill": (0.0, 2.0),
    "freeze": (0.2, 4.0),
    "stop": (0.0, 1.0),
}
# Between two services, with what can happen to what passes there.
LINKS: Final[Mapping[str, str]] = {
    "order->payment": "payment_service",
    "order->product": "product_stub",
    "payment->order": "order_service",
}
# How long a network fault lasts.
LINK_FAULT_S: Final = (0.3, 4.0)
# Customers in a second, where nobody says how many.
RATE: Final = 8.0
# The last part of a plan's time is without new faults, so that what they left is seen to be finished under load, too.
CALM_END: Final = 0.15


@dataclass(frozen=True)
class Step:
    """One thing that a customer does. `copies` of the request are sent at once, under one key; a customer who `drops`
    goes away before the first answer, and asks again.
    """

    do: str
    wait_s: float
    body: Mapping[str, Any]
    copies: int = 1
    drops: bool = False


@dataclass(frozen=True)
class Customer:
    """Who comes at `at_s` and does this, one after another. The name is in the order, so it can be found by it."""

    name: str
    at_s: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Fault:
    """Something that breaks at `at_s`, for so long. `target` is a process, or a link between two."""

    at_s: float
    kind: str
    target: str
    for_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.2f} s  {self.kind} {self.target} for {self.for_s:.2f} s"


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    seed: int
    seconds: float
    customers: tuple[Customer, ...]
    faults: tuple[Fault, ...]

    @property
    def rate(self) -> float:
        """Customers in a second."""
        return len(self.customers) / self.seconds

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Plan:
    """A plan that was saved."""
    data = json.loads(path.read_text())
    customers = [
        Customer(each["name"], each["at_s"], tuple(Step(**step) for step in each["steps"]))
        for each in data["customers"]
    ]
    return Plan(data["seed"], data["seconds"], tuple(customers), tuple(Fault(**each) for each in data["faults"]))


def make(seed: int, *, seconds: float, rate: float, every_s: float) -> Plan:
    """The plan of a seed.

    Args:
        rate: Customers in a second.
        every_s: Seconds from one fault to the next, on average.
    """
    # Each by its own source, so that other faults do not make other customers.
    customers = tuple(_customers(random.Random(f"{seed}:customers"), seconds, rate))
    faults = tuple(_faults(random.Random(f"{seed}:faults"), seconds, every_s))
    return Plan(seed, seconds, customers, faults)


def _faults(draw: random.Random, seconds: float, every_s: float) -> Iterator[Fault]:
    """One target suffers one fault at a time; different ones suffer at once."""
    busy_until: dict[str, float] = {}
    at_s = 0.0
    while True:
        at_s += draw.expovariate(1 / every_s)
        target = draw.choice([*SERVICES, *WORKERS, *LINKS])
        kind = draw.choice(list(faulty_proxy.FAULTS if target in LINKS else PROCESS_FAULTS))
        for_s = draw.uniform(*PROCESS_FAULTS.get(kind, LINK_FAULT_S))
        if at_s > seconds * (1 - CALM_END):
            return
        if at_s > busy_until.get(target, 0.0):
            # A process that was stopped needs a while to be there again.
            busy_until[target] = at_s + for_s + 2.0
            yield Fault(round(at_s, 3), kind, target, round(for_s, 3))


def _customers(draw: random.Random, seconds: float, rate: float) -> Iterator[Customer]:
    at_s, number = 0.0, 0
    while (at_s := at_s + draw.expovariate(rate)) < seconds:
        number += 1
        journey = draw.choices(list(JOURNEYS), weights=list(JOURNEYS.values()))[0]
        yield Customer(f"Customer {number}", round(at_s, 3), tuple(journey(draw)))


def _step(draw: random.Random, do: str, **body: Any) -> Step:
    copies = draw.choices([1, 2, 5], weights=[16, 3, 1])[0]
    return Step(do, round(draw.expovariate(3.0), 3), body, copies, drops=draw.random() < 0.06)


def _items(draw: random.Random) -> list[dict[str, int]]:
    wanted = draw.choices([1, 2, SCARCE, SOLD_OUT, UNKNOWN], weights=[10, 10, 4, 1, 1], k=draw.randint(1, 3))
    return [{"product_id": product, "quantity": draw.randint(1, 3)} for product in dict.fromkeys(wanted)]


def _card(draw: random.Random) -> dict[str, Any]:
    """How it is paid: at once, or by a card at the simulated bank."""
    if draw.random() < 0.3:
        return {}
    token = draw.choice(CARDS)
    return {"payment_method": "CARD", **({"payment_method_details": {"token": token}} if token else {})}


def _buys(draw: random.Random) -> Iterator[Step]:
    yield _step(draw, "place", items=_items(draw), **_card(draw))
    yield from _aftermath(draw)


def _pays_later(draw: random.Random) -> Iterator[Step]:
    yield _step(draw, "place", items=_items(draw), payment="later")
    for _ in range(draw.choice([0, 1, 1, 1, 2])):
        yield _step(draw, draw.choice(["pay", "pay", "charge", "charge_v1", "process"]), token=draw.choice(CARDS))
    yield from _aftermath(draw)


def _sets_aside(draw: random.Random) -> Iterator[Step]:
    yield _step(draw, "place", items=_items(draw), payment="later")
    yield _step(draw, "authorize", token=draw.choice(CARDS))
    for _ in range(draw.randint(0, 2)):
        yield _step(draw, draw.choice(["capture", "capture", "void_transaction"]))
    yield from _aftermath(draw)


def _aftermath(draw: random.Random) -> Iterator[Step]:
    """What may come after, wanted or not; half of them only look."""
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        do = draw.choices(["show", "look_again", "cancel", "refund", "refund_all", "void"], weights=[6, 3, 4, 3, 1, 1])[
            0
        ]
        if do.startswith("refund"):
            yield _step(draw, "look_at_payment")
        amount = {"amount": str(Decimal(draw.randint(1, 3000)) / 100)} if do == "refund" else {}
        yield _step(draw, do, **amount)


JOURNEYS: Final[Mapping[Callable[[random.Random], Iterator[Step]], int]] = {_buys: 5, _pays_later: 4, _sets_aside: 2}
