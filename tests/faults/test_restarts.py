"""Services that are asked to end (SIGTERM) and start again under load: whatever they had accepted is answered."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import books
from tests import stack as stacks
from tests.faults import outcomes
from tests.faults.checking import checking
from tests.faults.forked_stack import ForkServers
from tests.faults.result_log import ResultLog
from tests.faults.scenario_clients import by_card
from tests.load import PAID, Load
from tests.stack import SERVICES, Stack, wait_until

RESTARTS = 3
# Orders that are paid between two restarts.
SOME = 15
WANTED = {"customer_name": "Alice", "product_ids": [1, 2], **by_card("tok_ok")}
# What the migrations of a later version may do before its code comes: add.
ADDED = {"order_service": "orders_order", "payment_service": "payments_payment", "product_stub": "catalog_reservation"}
SETTINGS = {"payment_service": {"GATEWAY_DELAY_MS": "5-20", "GATEWAY_SUCCESS_RATE": "1"}}


@pytest.fixture
def stack(migrated: Path, tmp_path: Path) -> Iterator[Stack]:
    """Forked, because the port is nobody's for as long as a start takes."""
    fork_servers = ForkServers(tmp_path)
    try:
        with stacks.running_stack(migrated, tmp_path, settings=SETTINGS, prepare=fork_servers.prepare) as running:
            yield running
    finally:
        fork_servers.close()


def what_is_wrong_in_the_end(stack: Stack) -> list[str]:
    """When workers have done what there was left to do."""
    stack.start_workers()
    outcomes.wait_until_quiet(stack)
    with checking(stack) as checker:
        return [*books.problems_in(stack), *map(str, checker.violations())]


@pytest.mark.parametrize("service", SERVICES)
def test_restarted_under_load_no_request_is_broken_off(stack: Stack, service: str, result_log: ResultLog) -> None:
    """Whoever has no answer has no order either; every process ends by itself with status 0; all books agree."""
    with Load(stack.orders.base_url, WANTED) as load:
        for _ in range(RESTARTS):
            wait_until(load.goes_on(SOME), what="some orders")
            assert stack.services[service].stop() == 0
            stack.restart(service)
        wait_until(load.goes_on(SOME), what="some orders")
    # A connection that is closed before its request was read is the client's to try again: nothing was done for it.
    assert stack.orders.get("/api/orders/?per_page=1").json["total"] == len(load.answers)
    answers = Counter(load.answers)
    # What a peer's restart can cost an order is its retries; never another status than these.
    assert set(answers) <= {PAID, (400, "CANCELLED"), (503, "CANCELLED")}
    assert answers[PAID] >= RESTARTS * SOME
    assert what_is_wrong_in_the_end(stack) == []
    result_log(
        f"{service} is restarted under load",
        injected="SIGTERM while orders are placed, and a new start",
        times=RESTARTS,
        checks="no request that was begun is broken off, exit status 0; I1-I10",
        numbers=29,
    )


def test_the_migrations_of_a_later_version_run_under_load(stack: Stack, result_log: ResultLog) -> None:
    """The first half of a rolling upgrade: columns and indexes that this version does not know cost no order."""
    with Load(stack.orders.base_url, WANTED) as load:
        wait_until(load.goes_on(SOME), what="some orders")
        for service, table in ADDED.items():
            database = stack.services[service].db
            database.run(f"alter table {table} add column of_a_later_version varchar(20) not null default ''")
            database.run(f"create index {table}_of_a_later_version on {table} (of_a_later_version)")
            wait_until(load.goes_on(SOME), what="some orders")
    assert (set(load.answers), load.unanswered) == ({PAID}, 0)
    assert what_is_wrong_in_the_end(stack) == []
    result_log(
        "a later version's migrations run under load",
        injected="ALTER TABLE ... ADD COLUMN and CREATE INDEX in each database while orders are placed",
        times=2 * len(ADDED),
        checks="every order PAID, no request is broken off; I1-I10",
        numbers=29,
    )
