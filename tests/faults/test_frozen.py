"""A process that stands still past its lease (SIGSTOP) while others take over: woken, it changes nothing any more.

Found as the kills are: every point outside a transaction at which nobody has stood still yet. Whoever stands still is a
process of its own: a server with one customer, who waits for it, or one of many workers.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from tests import stack as stacks
from tests.faults import outcomes, webhooks
from tests.faults.checking import checking
from tests.faults.crash_points import KINDS
from tests.faults.forked_stack import ForkServers
from tests.faults.result_log import ResultLog
from tests.faults.scenario_clients import KINDS as CUSTOMERS
from tests.faults.scenario_clients import ScenarioClient
from tests.faults.test_kills import COMMON
from tests.receivers import Receiver
from tests.stack import Process, Service, Stack, free_ports, wait_until

# Leases as short as may be; they must outlive every run that nobody stops.
SETTINGS: Final = {
    "order_service": {
        "ORDER_LEASE_S": "5.5",
        "ORDER_DEADLINE_S": "1.4",
        "PRODUCT_DEADLINE_S": "1.3",
        "HTTP_READ_TIMEOUT_S": "1.3",
        **COMMON,
    },
    "payment_service": {
        "PAYMENT_LEASE_S": "2",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        **COMMON,
    },
    "product_stub": COMMON,
}
# Whose requests stand still, and where: the journeys that go through most of the code.
FROZEN_AT: Final[Mapping[str, tuple[str, ...]]] = {
    "order_service": ("pays by card", "has no money", "cancels a paid order"),
    "payment_service": ("pays later", "sets money aside and is charged"),
}
PROCESSES: Final = tuple(f"{name}-{kind}" for name in FROZEN_AT for kind in ("server", "worker"))
MOST_AT_A_TIME: Final = 150
# A worker that has not met a new point by then, and has delivered all, has none to meet.
HAS_MET_NOTHING_S: Final = 5.0
# Some hundred processes go on at the same moment.
ENDS_WITHIN_S: Final = 300.0
# What a process that has lost its lease may not change of an order that has ended, by the order's id. Not the keys of
# requests, nor what was last heard of a payment: those are written with the answer.
BOOKS: Final = {
    "order_service": (
        "select id, status, step, version, attempt, total_amount, cancellation_reason from orders_order",
        "select aggregateid, sequence, type, payload from events_event",
    ),
    "payment_service": (
        "select order_id, status, version, captured, refunded, booked, attempt from payments_payment",
        "select p.order_id, r.id, r.status, r.version, r.amount from payments_refund r "
        "join payments_payment p on p.number = r.payment_id",
        "select p.order_id, h.transaction_id, h.authorized, h.captured, h.refunded, h.is_released from bank_hold h "
        "join payments_payment p on p.transaction_id = h.transaction_id",
    ),
    "product_stub": ("select id, status from catalog_reservation",),
}
# What one that has lost the lease of the deliveries may not change of those that have arrived.
DELIVERED: Final = (
    "select d.event_id, d.endpoint_id, d.state, d.tries, d.failures, (select count(*) from webhooks_attempt a "
    "where a.delivery_id = d.number) from webhooks_delivery d where d.state <> 'waiting' order by d.number"
)


@dataclass
class Frozen:
    """The processes that stand still, and the customers who wait for them."""

    servers: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    waiting: list[tuple[ScenarioClient, "Future[bool]"]] = field(default_factory=list)

    def wake(self) -> None:
        """Let all go on; a worker with what it has in hand, and then end."""
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for process in (*self.servers, *self.workers):
            process.signal(signal.SIGCONT)


def stands_still(process: Process) -> bool:
    assert process._process is not None
    status = Path(f"/proc/{process._process.pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "T"


def freeze_servers(
    stack: Stack, fork_servers: ForkServers, name: str, pool: ThreadPoolExecutor, frozen: Frozen
) -> None:
    """Let customers come, each to a server of their own, until one is served by one that has not stood still."""
    for customer in FROZEN_AT[name]:
        while len(frozen.servers) < MOST_AT_A_TIME:
            server = _another_server(stack, name)
            frozen.servers.append(server)
            fork_servers.arm(f"{name}-server", do="stop")
            # Who meets a server that stands still may find that the order has ended otherwise meanwhile.
            client = ScenarioClient(customer, CUSTOMERS[customer], stack, is_exact=False)
            client.urls[name] = server.url
            going = pool.submit(client.go_on)
            frozen.waiting.append((client, going))
            wait_until(lambda: going.done() or stands_still(server), what="an answer, or none")  # noqa: B023
            fork_servers.disarm(f"{name}-server")
            if going.done():
                break


def _another_server(stack: Stack, name: str) -> Service:
    ours = stack.services[name]
    server = Service(name, free_ports(1)[0], database=ours.database, environment=ours.environment)
    server.name, server.begin = f"{name} server", ours.begin
    server.start()
    server.wait_until_up()
    return server


def freeze_workers(stack: Stack, fork_servers: ForkServers, name: str, frozen: Frozen) -> None:
    """Start workers, one after another, until one does not stand still; that one goes on for all of them."""
    fork_servers.arm(f"{name}-worker", do="stop")
    while len(frozen.workers) < MOST_AT_A_TIME:
        worker = stack.start_worker(name)
        if not _stops(worker, stack, name):
            break
        frozen.workers.append(worker)
    fork_servers.disarm(f"{name}-worker")


def _stops(worker: Process, stack: Stack, name: str) -> bool:
    """Whether it comes to stand still. Else it has gone on for a while and left nothing to deliver."""
    enough = time.monotonic() + HAS_MET_NOTHING_S

    def has_met_nothing() -> bool:
        return time.monotonic() > enough and webhooks.is_delivered(stack, name)

    wait_until(lambda: stands_still(worker) or has_met_nothing(), within_s=ENDS_WITHIN_S, what=f"{worker.name} is idle")
    return stands_still(worker)


@dataclass
class Campaign:
    """Where processes stood still, how many orders others had ended, and what was not as promised afterwards."""

    stood_still: dict[str, list[dict[str, Any]]]
    ended: int
    changed: list[str]
    problems: list[str]


@pytest.fixture(scope="module")
def campaign(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("frozen")
    fork_servers, frozen = ForkServers(folder), Frozen()
    with ExitStack() as opened:
        opened.callback(fork_servers.close)
        received = opened.enter_context(webhooks.receiving())
        stack = opened.enter_context(
            stacks.running_stack(migrated, folder, settings=SETTINGS, prepare=fork_servers.prepare)
        )
        webhooks.ask_for_everything(stack, received)
        pool = opened.enter_context(ThreadPoolExecutor(MOST_AT_A_TIME))
        opened.callback(_end, fork_servers, frozen)
        yield run(stack, fork_servers, pool, frozen, received)


def _end(fork_servers: ForkServers, frozen: Frozen) -> None:
    """Kill them all, however they stand: whoever waits for one gets no answer."""
    for name in PROCESSES:
        fork_servers.disarm(name)
    for process in (*frozen.servers, *frozen.workers):
        process.kill()


def run(
    stack: Stack, fork_servers: ForkServers, pool: ThreadPoolExecutor, frozen: Frozen, received: Receiver
) -> Campaign:
    for name in FROZEN_AT:
        freeze_servers(stack, fork_servers, name, pool, frozen)
    for name in FROZEN_AT:
        freeze_workers(stack, fork_servers, name, frozen)
    outcomes.wait_until_quiet(stack)
    webhooks.wait_until_delivered(stack)
    for client, _ in frozen.waiting:
        client.is_patient = True
    before, delivered = _books(stack), _delivered(stack)
    frozen.wake()
    for _, going in frozen.waiting:
        going.result()
    for worker in frozen.workers:
        wait_until(lambda: not worker.is_running, within_s=ENDS_WITHIN_S, what=f"{worker.name} has ended")  # noqa: B023
        assert worker.wait() == 0
    after = _books(stack)
    # A cancellation that stood still before its first write has taken over from nobody, and begins now.
    cancelling = {client.order_id for client, _ in frozen.waiting if "cancel" in client.name}
    changed = [
        f"{order_id}: {rows} became {after.get(order_id, 'an order that is not closed')}"
        for order_id, rows in before.items()
        if order_id not in cancelling and rows != after.get(order_id)
    ]
    now = _delivered(stack)
    changed += [f"{name}: {row} is no more" for name, rows in delivered.items() for row in rows if row not in now[name]]
    clients = [client for client, _ in frozen.waiting]
    for client in clients:
        client.is_patient = False
        wait_until(client.go_on, what=f"{client} is content")
    outcomes.wait_until_quiet(stack)
    webhooks.wait_until_delivered(stack)
    with checking(stack) as checker:
        problems = [*outcomes.problems_in(stack, clients), *map(str, checker.violations())]
    problems += webhooks.problems_in(stack, received)
    return Campaign({name: fork_servers.reached(name, do="stop") for name in PROCESSES}, len(before), changed, problems)


def _books(stack: Stack) -> dict[str, list[str]]:
    """What is written of each order that has ended."""
    (ended,) = zip(
        *stack.services["order_service"].rows("select id from orders_order where step = 'closed'"), strict=True
    )
    found: dict[str, list[str]] = {str(UUID(str(each))): [] for each in ended}
    for name, queries in BOOKS.items():
        for sql in queries:
            for order_id, *row in stack.services[name].rows(sql):
                found.get(str(UUID(str(order_id))), []).append(str(row))
    return {order_id: sorted(rows) for order_id, rows in found.items()}


def _delivered(stack: Stack) -> dict[str, list[str]]:
    return {name: [str(row) for row in stack.services[name].rows(DELIVERED)] for name in webhooks.SENDERS}


@pytest.mark.parametrize("process", PROCESSES)
def test_who_stood_still_past_the_lease_changes_nothing(
    campaign: Campaign, process: str, result_log: ResultLog
) -> None:
    """Others finished its work; woken, its late writes are refused, and what it sends again was there already."""
    points = Counter(point["kind"] for point in campaign.stood_still[process])
    assert points["begin"] > 0
    assert points["call"] + points["gateway"] > 0
    if process.endswith("worker"):
        assert points["deliver"] > 0
    assert campaign.ended > len(campaign.stood_still["order_service-server"])
    assert campaign.changed == []
    assert campaign.problems == []
    where = ", ".join(f"{points[kind]} {kind}" for kind in ("begin", *KINDS) if points[kind])
    result_log(
        f"{process.replace('-', ' ')} stands still past its lease, and wakes up",
        injected=f"SIGSTOP at each point outside a transaction, SIGCONT when others had finished its work: {where}",
        times=points.total(),
        checks="orders, payments, stock, the bank's books and deliveries are as before it woke; I1-I11",
        numbers=30,
    )
