"""Every process is killed at every point of its way, and started again: nothing is lost, and nobody pays twice.

One stack for all of it. Customers of every kind come while the services die under their hands; then both workers, which
die at their points in turn, finish what was left; then every customer gets the answer that they are still waiting for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

import nightly
from tests import stack as stacks
from tests.faults import outcomes, scenario_clients, webhooks
from tests.faults.checking import checking
from tests.faults.crash_points import KINDS
from tests.faults.forked_stack import ForkServers
from tests.faults.result_log import ResultLog
from tests.faults.scenario_clients import Kind, ScenarioClient
from tests.faults.writers import writing_functions
from tests.forks import LOOK_EVERY_S
from tests.receivers import Receiver
from tests.stack import SERVICES, Stack, wait_until

# With it a point is another one for each kind of customer, and a service may die again while it recovers.
LONG: Final = nightly.IS_NIGHT
WORKERS: Final = ("order_service", "payment_service")
RECOVERED_WITHIN_S: Final = 600.0
# A customer comes once for each point; whoever needs so many is not getting anywhere.
ENOUGH_CUSTOMERS: Final = 200
# A worker dies once at each of the points of an expiry; each time it takes another order, while that one rests.
UNPAID: Final = 15
# The same for payments whose payers never answer.
UNCONFIRMED: Final = 8
# Short enough to be waited for, long enough that no run outlives its lease on a busy machine.
# No circuit opens, however often a peer dies: behind an open one its points cannot be reached.
COMMON: Final = {
    "FAULTS_KEY_LOCK_S": "4",
    "FAULTS_WEBHOOK_LEASE_S": "1",
    "BREAKER_FAILURES": "100000",
    "WEBHOOK_ALLOW": "127.0.0.0/8",
    "WEBHOOK_RETRY_S": ",".join(["0.2"] * 50),
}
SETTINGS: Final = {
    "order_service": {
        "ORDER_LEASE_S": "10.5",
        "ORDER_DEADLINE_S": "6",
        "PRODUCT_DEADLINE_S": "5",
        "HTTP_READ_TIMEOUT_S": "5",
        **COMMON,
    },
    "payment_service": {
        "PAYMENT_LEASE_S": "3",
        "GATEWAY_TIMEOUT_S": "0.3",
        # Longer than the order service waits before it asks again, so that the gateway does not know yet.
        "GATEWAY_SLOW_S": "1.0",
        "PAYMENT_SETTLE_S": "3",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        **COMMON,
    },
    "product_stub": COMMON,
}
# What every kind of process must have died at; only workers have jobs.
MUST_DIE_AT: Final = {
    "product_stub": {"commit", "call", "sent", "answer"},
    "payment_service": {"commit", "gateway", "call", "sent", "answer"},
    "order_service": {"commit", "call", "sent", "answer"},
    "payment_service-worker": {"commit", "gateway", "call", "sent", "job", "publish", "deliver"},
    "order_service-worker": {"commit", "call", "sent", "job", "publish", "deliver"},
}
# Functions that write and are on no customer's way: stock is added by hand, imported history and rows that nobody can
# work on have their own tests, and old keys are forgotten after a week.
NOT_ON_THE_WAY: Final = {
    "servicekit.events.store:append_published",
    "product_stub.catalog.writes:create_product",
    "product_stub.catalog.writes:restock",
    "product_stub.catalog.writes:_supply",
    "servicekit.db.purge:delete_older",
    "order_service.orders.writes:retry_unreadable_later",
    "payment_service.payments.writes.moves:retry_unreadable_later",
    "payment_service.payments.writes.notices:retry_unreadable_later",
    "payment_service.payments.writes.outside:_record_refund",
    # Once, when an endpoint is made; before anybody dies here.
    "servicekit.webhooks.fan_out:settle",
    # What Stripe says later has tests of its own.
    "payment_service.payments.writes.disputes:record",
    "payment_service.payments.writes.disputes:_record_dispute",
    "payment_service.payments.writes.disputes:_record_failed_refund",
    "payment_service.payments.writes.disputes:_tell",
    "payment_service.payments.writes.refunds:fail_later",
    "payment_service.payments.writes.closing:_note_refusal",  # for now: the bank refuses captures and voids for good
}


@dataclass
class Campaign:
    """What came of it: the customers, where each process died, and everything that was not as promised."""

    clients: list[ScenarioClient]
    kills: dict[str, list[dict[str, Any]]]
    problems: list[str]


@pytest.fixture(scope="module")
def campaign(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("kills")
    fork_servers = ForkServers(folder)
    try:
        prepare = fork_servers.prepare
        with (
            webhooks.receiving() as received,
            stacks.running_stack(migrated, folder, prepare=prepare, settings=SETTINGS) as stack,
        ):
            webhooks.ask_for_everything(stack, received)
            yield run(stack, fork_servers, received)
    finally:
        fork_servers.close()


def run(stack: Stack, fork_servers: ForkServers, received: Receiver) -> Campaign:
    clients = scenario_clients.never_pay(stack, [1] * UNPAID)
    unconfirmed = scenario_clients.NEVER_CONFIRMS
    clients += scenario_clients.never_pay(stack, [1] * UNCONFIRMED, name="never confirms", kind=unconfirmed)
    for victim in SERVICES:
        for name, kind in scenario_clients.KINDS.items():
            clients += kill_at_every_point(stack, fork_servers, victim, name, kind)
    recover_with_dying_workers(stack, fork_servers)
    answer_everyone(stack, fork_servers, clients)
    outcomes.wait_until_quiet(stack)
    webhooks.wait_until_delivered(stack)
    with checking(stack) as checker:
        problems = [*outcomes.problems_in(stack, clients), *map(str, checker.violations())]
    problems += webhooks.problems_in(stack, received)
    return Campaign(clients, {process: fork_servers.reached(process) for process in MUST_DIE_AT}, problems)


def kill_at_every_point(
    stack: Stack, fork_servers: ForkServers, victim: str, name: str, kind: Kind
) -> list[ScenarioClient]:
    """Let customers of a kind come one after another, until one meets no point at which the victim has yet to die.

    At that one's answer it dies once more: what was answered is there when it is back.
    """
    clients: list[ScenarioClient] = []
    while len(clients) < ENOUGH_CUSTOMERS:
        # Where only the order service dies, the customer gets in the end what they wanted, and not a refusal.
        client = ScenarioClient(name, kind, stack, is_exact=victim == "order_service")
        clients.append(client)
        if not go_on_while_it_dies(stack, fork_servers, victim, client) and client.is_as_usual:
            stack.services[victim].kill()
            stack.restart(victim)
            return clients
    raise AssertionError(f"{victim} keeps whoever {name} from getting anywhere")


def go_on_while_it_dies(stack: Stack, fork_servers: ForkServers, victim: str, client: ScenarioClient) -> bool:
    """Let a customer go on with the victim armed, and start it again when it dies; whether it died."""
    deaths = len(fork_servers.reached(victim))
    scenario = client.name if LONG else ""
    fork_servers.arm(victim, scenario)
    with ThreadPoolExecutor() as pool:
        going = pool.submit(client.go_on)
        while not wait([going], LOOK_EVERY_S).done:
            if _revive(stack, fork_servers, victim) and LONG:
                fork_servers.arm(victim, scenario)
        going.result()
    # What is done behind the answer is a part of the way, too.
    wait_until(
        lambda: len(fork_servers.reached(victim)) > deaths or not _is_being_finished(stack, client),
        within_s=RECOVERED_WITHIN_S,
        what="the order closed, put off, or its service dead",
    )
    fork_servers.disarm(victim)
    # It says that it dies before it does: its last death may be seen only now.
    wait_until(lambda: not _is_dying(stack, fork_servers, victim) or _revive(stack, fork_servers, victim))
    return len(fork_servers.reached(victim)) > deaths


def _is_being_finished(stack: Stack, client: ScenarioClient) -> bool:
    """Whether the client's order is paid, and neither closed nor left to a worker."""
    if not client.answers or "number" not in client.answers[0].json:
        return False
    paid = "select count(*) from orders_order where number = ? and step = 'settled' and postponed = 0"
    return bool(stack.services["order_service"].rows(paid, client.answers[0].json["number"])[0][0])


def _is_dying(stack: Stack, fork_servers: ForkServers, victim: str) -> bool:
    """Whether the process that runs has said that it dies; two requests in it may each have said so."""
    return stack.services[victim].group in {death["group"] for death in fork_servers.reached(victim)}


def _revive(stack: Stack, fork_servers: ForkServers, victim: str) -> bool:
    """Start it again if it is dead; whether it was. Unarmed: its start ends with a look at its health, which writes."""
    if stack.services[victim].is_running:
        return False
    fork_servers.disarm(victim)
    stack.restart(victim)
    return True


def answer_everyone(stack: Stack, fork_servers: ForkServers, clients: Sequence[ScenarioClient]) -> None:
    """Let every customer repeat what got no answer; the services may die in that, too."""
    waiting, victims = list(clients), cycle(WORKERS)

    def nobody_waits() -> bool:
        for client in list(waiting):
            if not client.is_content:
                victim = "order_service" if client.is_exact else next(victims)
                go_on_while_it_dies(stack, fork_servers, victim, client)
            if client.is_content:
                waiting.remove(client)
        return not waiting

    wait_until(nobody_waits, within_s=RECOVERED_WITHIN_S, what="everybody is content")


def recover_with_dying_workers(stack: Stack, fork_servers: ForkServers) -> None:
    """Start both workers, which die at each of their points in turn, until nothing is left to do and both survive.

    At first the order service is away, and cannot hear of any payment.
    """
    stack.services["order_service"].kill()
    for name in WORKERS:
        fork_servers.arm(f"{name}-worker")
    workers = [stack.start_worker(name) for name in WORKERS]

    def both_live() -> bool:
        dead = [worker for worker in workers if not worker.is_running]
        for worker in dead:
            worker.start()
        return not dead

    def both_live_and_all_is_quiet() -> bool:
        return both_live() and outcomes.is_quiet(stack)

    before = outcomes.notices_in_vain(stack)
    wait_until(
        lambda: both_live() and outcomes.notices_in_vain(stack) > before,
        within_s=RECOVERED_WITHIN_S,
        what="a notice that nobody hears",
    )
    stack.restart("order_service")
    wait_until(both_live_and_all_is_quiet, within_s=RECOVERED_WITHIN_S, what="everything is quiet")
    for name in WORKERS:
        fork_servers.disarm(f"{name}-worker")


@pytest.mark.parametrize("process", MUST_DIE_AT)
def test_killed_at_every_point_nothing_is_lost(campaign: Campaign, process: str, result_log: ResultLog) -> None:
    """Each order ends as it must, its money at the bank once or not at all, all books agree, all answers stay true."""
    kills = Counter(kill["kind"] for kill in campaign.kills[process])
    assert set(kills) == MUST_DIE_AT[process]
    assert campaign.problems == []
    assert [str(client) for client in campaign.clients if not client.is_content] == []
    where = ", ".join(f"{kills[kind]} {kind}" for kind in KINDS if kills[kind])
    result_log(
        f"kill -9 of {process.replace('-', ' ')} at every point",
        injected=f"SIGKILL before each point that a run passes, found by instrumentation: {where}",
        times=kills.total(),
        checks="order ends as it must, charged at most once at the bank, repeats answer alike, webhooks arrive; I1-I11",
        numbers=_numbers(process),
    )


def _numbers(process: str) -> tuple[int, ...]:
    if process.endswith("worker"):
        return (3, 4)
    return (2,) if process == "payment_service" else (1,)


def test_no_function_that_writes_is_spared(campaign: Campaign) -> None:
    """A function that writes and at which nobody died is on no customer's way: one is to be found whose it is on."""
    wrote = {function for kills in campaign.kills.values() for kill in kills for function in kill["wrote"]}
    assert writing_functions() - wrote - NOT_ON_THE_WAY == set()
