"""Two operations on one order at the same moment: what they are, and in which states of an order they mean something.

An operation is a request to one of the doors, or a worker that is let go. Workers are real processes which stand still
(SIGSTOP) until the moment comes.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import combinations_with_replacement
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from tests.client import Http, Reply
from tests.stack import Process, Service, Stack, wait_until

# Two units of product 2: an amount of which 60 % is a whole number of cents.
ITEMS: Final = [{"product_id": 2, "quantity": 2}]
TOTAL: Final = "40.00"
REFUND: Final = "24.00"
ORDERS, PAYMENTS, PRODUCTS = "order_service", "payment_service", "product_stub"

SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    # An unpaid order is overdue at once, but only a worker can see to it, and the workers wait for their moment.
    ORDERS: {"ORDER_EXPIRES_AFTER_S": "0.01", "ORDER_DEADLINE_S": "3", "PRODUCT_DEADLINE_S": "2", "ORDER_LEASE_S": "8"},
    PAYMENTS: {
        "GATEWAY_SUCCESS_RATE": "1",
        "GATEWAY_DELAY_MS": "5-25",
        "GATEWAY_TIMEOUT_S": "0.3",
        "GATEWAY_SLOW_S": "0.4",
        "PAYMENT_SETTLE_S": "2",
        # So is a payer who has not confirmed.
        "PAYMENT_ACTION_EXPIRES_S": "0.05",
    },
}
# What a page answers to its form.
SEE_OTHER: Final = 303
# Of a payment (`PAYMENT_LEASE_S` is 30 s).
HALF_A_LEASE: Final = timedelta(seconds=15)
# Of the second order service, whose requests are taken over when they have stood still for this long.
SHORT_LEASE: Final = {"ORDER_LEASE_S": "0.1", "ORDER_DEADLINE_S": "3"}


@dataclass
class Asked:
    """One request of a race and its answer."""

    service: str
    path: str
    body: Mapping[str, Any]
    key: str
    reply: Reply | None = None


@dataclass
class Arena:
    """The stack in which the races are run: the services, an order service of short leases, two workers for each."""

    stack: Stack
    impatient: Process
    impatient_url: str
    workers: Mapping[str, tuple[Process, Process]]

    def hold_workers(self) -> None:
        for service, pair in self.workers.items():
            for worker in pair:
                hold(worker, self.stack.services[service])

    def release_workers(self) -> None:
        for pair in self.workers.values():
            for worker in pair:
                worker.signal(signal.SIGCONT)


def hold(process: Process, service: Service) -> None:
    """Stop a process, but not in the middle of a write: what it has locked would stay so until it goes on."""
    for _ in range(200):
        process.signal(signal.SIGSTOP)
        if not service.db.is_being_written():
            return
        process.signal(signal.SIGCONT)
        time.sleep(0.005)
    raise TimeoutError(f"{process.name} never lets go of the database")


@dataclass
class Round:
    """One order, in its starting state, and all that is asked for it. `number` picks among equal ways."""

    arena: Arena
    number: int
    order_id: str = ""
    transaction_id: str = ""
    payment_number: int = 0
    page: str = ""  # at which the payer confirms
    asked: list[Asked] = field(default_factory=list)
    left_behind: list[threading.Thread] = field(default_factory=list)

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> Reply:
        """A request of the preparation or of the race itself, under a key of its own."""
        asked = Asked(service, path, body, key=str(uuid4()))
        self.asked.append(asked)
        asked.reply = Http(self.arena.stack.services[service].url).post(path, body, key=asked.key)
        return asked.reply

    def later(self) -> None:
        body = {"customer_name": "Racer", "items": ITEMS, "payment": "later"}
        reply = self.post(ORDERS, "/api/orders/", body)
        assert reply.status == 201, reply.text
        self.order_id = reply.json["id"]

    def process(self, token: str, *, capture: bool) -> Reply:
        details = {"token": token}
        body = {"order_id": self.order_id, "amount": TOTAL, "currency": "USD", "payment_method": "credit_card"}
        return self.post(
            PAYMENTS, "/api/v1/payments/process", {**body, "capture": capture, "payment_method_details": details}
        )

    def know_payment(self) -> None:
        """The payment's number and transaction, as its client knows them, or the bank's own clerk."""
        rows = self.arena.stack.services[PAYMENTS].rows
        payment = rows(f"select number, transaction_id from payments_payment where order_id = '{self.order_id}'")
        if payment:
            self.payment_number, known = payment[0]
            booked = rows(
                "select transaction_id from bank_hold join bank_entry on hold_id = bank_hold.number "
                f"where bank_entry.key like 'order-{self.order_id}-pay-%'"
            )
            self.transaction_id = known or (booked[0][0] if booked else "")


def waiting(round_: Round) -> None:
    """Placed to be paid later; nobody has."""
    round_.later()


def authorized(round_: Round) -> None:
    """The money is set aside."""
    round_.later()
    assert round_.process("tok_ok", capture=False).json["status"] == "authorized"


def captured(round_: Round) -> None:
    """The money is taken, through a door by which the order service does not hear of it."""
    round_.later()
    body = {
        "order_id": round_.order_id,
        "amount": TOTAL,
        "method": "CARD",
        "payment_method_details": {"token": "tok_ok"},
    }
    assert round_.post(PAYMENTS, "/api/payments/", body).json["status"] == "COMPLETED"


def paid(round_: Round) -> None:
    """PAID, its stock sold."""
    body = {"customer_name": "Racer", "items": ITEMS, "payment_method": "CARD"}
    reply = round_.post(ORDERS, "/api/orders/", {**body, "payment_method_details": {"token": "tok_ok"}})
    assert reply.json["status"] == "PAID", reply.text
    round_.order_id = reply.json["id"]


def to_confirm(round_: Round) -> None:
    """Its payer has to confirm the payment, and both have had their time."""
    body = {"customer_name": "Racer", "items": ITEMS, "payment_method": "CARD"}
    reply = round_.post(ORDERS, "/api/orders/", {**body, "payment_method_details": {"token": "tok_3ds_ok"}})
    assert reply.json["payment_status"] == "REQUIRES_ACTION", reply.text
    round_.order_id = reply.json["id"]
    round_.page = urlsplit(reply.json["next_action"]["url"]).path


def unknown(round_: Round) -> None:
    """The gateway has charged, and its reply was lost."""
    round_.later()
    assert round_.process("tok_charge_then_lose_reply", capture=True).json["status"] == "processing"


def unknown_authorized(round_: Round) -> None:
    """The gateway has set the money aside, and its reply was lost."""
    round_.later()
    assert round_.process("tok_charge_then_lose_reply", capture=False).json["status"] == "processing"


def unknown_refund(round_: Round) -> None:
    """Captured, and a part of it given back, of which the gateway's reply was lost."""
    round_.later()
    assert round_.process("tok_refund_then_lose_reply", capture=True).json["status"] == "captured"
    round_.know_payment()
    assert refund_part(round_).json["status"] == "pending"


def left(round_: Round) -> None:
    """The request that was to pay it stands still, its lease is over, and the gateway's reply is late."""
    _leave(round_, {"payment_method": "CARD", "payment_method_details": {"token": "tok_slow"}}, _is_charging)
    wait_until(lambda: _is_given_up(round_), what="the payment service has given up waiting")


def left_placed(round_: Round) -> None:
    """The request that was to reserve its stock stands still, and its lease is over."""
    stub = round_.arena.stack.services[PRODUCTS]
    stub.signal(signal.SIGSTOP)
    try:
        _leave(round_, {"payment": "later"}, lambda _: True)
    finally:
        stub.signal(signal.SIGCONT)


State = Callable[[Round], None]


def _leave(round_: Round, options: Mapping[str, Any], is_there: Callable[[Round], bool]) -> None:
    """Place an order at the impatient order service, and stop that while it waits for a peer."""
    arena = round_.arena
    asked = Asked("impatient", "/api/orders/", {"customer_name": "Racer", "items": ITEMS, **options}, key=str(uuid4()))
    rows = arena.stack.services[ORDERS].rows
    ((before,),) = rows("select coalesce(max(number), 0) from orders_order")

    def place() -> None:
        asked.reply = Http(arena.impatient_url).post(asked.path, asked.body, key=asked.key)

    round_.left_behind.append(threading.Thread(target=place))
    round_.left_behind[-1].start()
    round_.asked.append(asked)
    wait_until(lambda: rows(f"select id from orders_order where number > {before}"), what="the order is there")
    ((number,),) = rows(f"select number from orders_order where number > {before}")
    round_.order_id = Http(arena.stack.services[ORDERS].url).get(f"/api/orders/{number}/?live=false").json["id"]
    wait_until(lambda: is_there(round_), what="it is in the middle")
    hold(arena.impatient, arena.stack.services[ORDERS])
    time.sleep(float(SHORT_LEASE["ORDER_LEASE_S"]))


def _is_charging(round_: Round) -> bool:
    query = f"select 1 from payments_payment where order_id = '{round_.order_id}' and status = 'PROCESSING'"
    return bool(round_.arena.stack.services[PAYMENTS].rows(query))


def _is_given_up(round_: Round) -> bool:
    """Whether its payment is due at once instead of when its lease is over."""
    query = f"select updated_at, due_at from payments_payment where order_id = '{round_.order_id}'"
    ((began, due),) = round_.arena.stack.services[PAYMENTS].rows(query)
    return datetime.fromisoformat(str(due)) - datetime.fromisoformat(str(began)) < HALF_A_LEASE


def charge(round_: Round) -> Reply:
    """Through another door each time."""
    body: dict[str, Any] = {"order_id": round_.order_id, "amount": TOTAL, "payment_method_details": {"token": "tok_ok"}}
    doors: list[tuple[str, dict[str, Any]]] = [
        ("/api/payments/", {**body, "method": "CARD"}),
        ("/v1/payments/charge", body),
        ("/api/v1/payments/process", {**body, "currency": "USD", "payment_method": "credit_card"}),
    ]
    return round_.post(PAYMENTS, *doors[round_.number % len(doors)])


def capture(round_: Round) -> Reply:
    return round_.post(PAYMENTS, "/api/v1/payments/capture", {"transaction_id": round_.transaction_id or "none"})


def void(round_: Round) -> Reply:
    """Of the order, or of its transaction."""
    if round_.number % 2 and round_.transaction_id:
        return round_.post(PAYMENTS, "/api/v1/payments/void", {"transaction_id": round_.transaction_id})
    return round_.post(PAYMENTS, f"/api/payments/{round_.order_id}/void/", {})


def refund_part(round_: Round) -> Reply:
    body = {"transaction_id": round_.transaction_id or "none", "amount": REFUND}
    return round_.post(PAYMENTS, "/api/v1/payments/refund", body)


def refund(round_: Round) -> Reply:
    """60 % of it, so that not two can be; or all of it."""
    if round_.number % 2 and round_.payment_number:
        return round_.post(PAYMENTS, f"/v1/payments/{round_.payment_number}/refund", {})
    return refund_part(round_)


def cancel(round_: Round) -> Reply:
    return round_.post(ORDERS, f"/api/orders/{round_.order_id}/cancel/", {})


def pay(round_: Round) -> Reply:
    body = {"order_id": round_.order_id, "amount": TOTAL, "method": "CARD"}
    return round_.post(PAYMENTS, "/pay", {**body, "payment_method_details": {"token": "tok_ok"}})


def confirm(round_: Round) -> Reply:
    """The order service looks at the payment again: settles the order by it and confirms its stock."""
    return round_.post(ORDERS, f"/api/orders/{round_.order_id}/payment/", {})


def answer(round_: Round, said: str) -> Reply:
    """The payer's, at the bank's page; no operation of the API."""
    reply = Http(round_.arena.stack.services[PAYMENTS].url).request("POST", round_.page, data={"answer": said})
    assert reply.status == SEE_OTHER, reply.text
    return reply


REQUESTS: Final[Mapping[str, Callable[[Round], Reply]]] = {
    "charge": charge,
    "capture": capture,
    "void": void,
    "refund": refund,
    "cancel": cancel,
    "pay": pay,
    "confirm": confirm,
    "approve": partial(answer, said="approve"),
    "decline": partial(answer, said="decline"),
}
# The workers' jobs: which service's worker is let go.
WORKERS: Final[Mapping[str, str]] = {"expire": ORDERS, "resume": ORDERS, "reconcile": PAYMENTS}
OPERATIONS: Final = ("charge", "capture", "void", "refund", "cancel", "expire", "resume", "reconcile", "pay", "confirm")
# What a payer says meets only what may happen to a payment that waits for it.
_OF_PAYERS: Final = (
    ("approve", "approve"),
    ("approve", "decline"),
    ("approve", "cancel"),
    ("approve", "void"),
    ("approve", "expire"),
    ("approve", "reconcile"),
    ("approve", "charge"),
    ("decline", "confirm"),
    ("decline", "reconcile"),
    ("decline", "expire"),
)
PAIRS: Final = (*combinations_with_replacement(OPERATIONS, 2), *_OF_PAYERS)

_LEFT: Final = (left, left_placed)
_UNKNOWN: Final = (unknown, unknown_authorized, unknown_refund)
_ANY: Final[tuple[State, ...]] = (waiting, authorized, captured, paid, to_confirm, *_UNKNOWN, *_LEFT)
# Where an operation has something to do, or something to refuse that was possible a moment ago.
MEANINGFUL: Final[Mapping[str, tuple[State, ...]]] = {
    "charge": _ANY,
    "capture": (authorized, unknown_authorized, left),
    "void": _ANY,
    "refund": (captured, paid, authorized, unknown_refund, unknown, left),
    "cancel": _ANY,
    "expire": (waiting, authorized, captured, to_confirm, *_UNKNOWN, left_placed),
    "resume": _LEFT,
    "reconcile": (to_confirm, *_UNKNOWN, left),
    "approve": (to_confirm,),
    "decline": (to_confirm,),
    "pay": _ANY,
    "confirm": _ANY,
}


def states_for(pair: tuple[str, str]) -> list[State]:
    """The starting states in which both operations of a pair mean something."""
    one, other = (MEANINGFUL[name] for name in pair)
    return [state for state in one if state in other] or [left]


def state_of(pair: tuple[str, str], number: int) -> State:
    """The starting state of a round: each in turn, every pair beginning with another one."""
    states = states_for(pair)
    return states[(PAIRS.index(pair) + number) % len(states)]


def run(arena: Arena, pair: tuple[str, str], number: int) -> Round:
    """One round: a fresh order in its starting state, both operations at once, then the workers go on."""
    round_ = Round(arena, number)
    state_of(pair, number)(round_)
    round_.know_payment()
    idle = {service: list(workers) for service, workers in arena.workers.items()}
    start = threading.Barrier(2)

    def move(name: str) -> None:
        worker = idle[WORKERS[name]].pop() if name in WORKERS else None
        start.wait()
        if worker is None:
            REQUESTS[name](round_)
        else:
            worker.signal(signal.SIGCONT)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(move, pair))
    arena.release_workers()
    arena.impatient.signal(signal.SIGCONT)
    for thread in round_.left_behind:
        thread.join()
    return round_


def second_order_service(stack: Stack, port: int) -> Process:
    """Another order service on the same database, with a lease that is over before a payment can be."""
    original: Service = stack.services[ORDERS]
    command = [str(port) if part == str(original.port) else part for part in original.command]
    environment = {**original.environment, **SHORT_LEASE}
    return Process("impatient", command, environment=environment, log=original.log.with_name("impatient.log"))
