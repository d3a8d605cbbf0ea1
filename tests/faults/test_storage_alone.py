"""Storage faults that need a stack of their own: a file that can only be read, a damaged one, a disk that fills up just
then.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import pytest

import nightly
from tests.client import Http
from tests.faults import storage
from tests.faults.checking import checking
from tests.faults.result_log import ResultLog
from tests.faults.writes import READS, SETTINGS, UNREADY_WITHIN_S, Write, not_ready
from tests.stack import SERVICES, Stack, wait_until

MakeStack = Callable[..., Stack]

LONG: Final = nightly.IS_NIGHT
RECOVERS_WITHIN_S: Final = 300.0
WRITES: Final = 3


@pytest.mark.parametrize("name", SERVICES)
def test_a_file_that_can_only_be_read_is_read(make_stack: MakeStack, result_log: ResultLog, name: str) -> None:
    """Reads work, writes are refused, and with the permission back they work without a restart."""

    stack = make_stack(settings=SETTINGS, without=[name])
    service = stack.services[name]
    storage.mind_permissions(service)
    writes = [Write(stack, name) for _ in range(WRITES)]
    with storage.read_only(service):
        service.start()
        wait_until(lambda: Http(service.url).has("/health/live"), what="alive")
        refused = [write.send() for write in writes]
        assert [(reply.status, reply.json["code"]) for reply in refused] == [(503, "database_unavailable")] * WRITES
        assert {reply.headers["Retry-After"] for reply in refused} == {"1"}
        seen = wait_until(lambda: not_ready(stack, name), within_s=UNREADY_WITHIN_S, what="not ready")
        assert seen.json["checks"]["database"] == "not writable"
        assert Http(service.url).get(READS[name]).status == 200
    assert [write.kept() for write in writes] == [(0, False)] * WRITES
    assert [write.send().status for write in writes] == [201] * WRITES
    assert [write.kept() for write in writes] == [(1, True)] * WRITES
    result_log(
        f"database of {name} read-only",
        injected="the file's permission bits, which root is made to mind too",
        times=WRITES,
        checks="reads 200, writes 503 + Retry-After, /health 503; writes work again without a restart",
        numbers=27,
    )


def test_a_damaged_database_is_never_taken_for_a_good_one(make_stack: MakeStack, result_log: ResultLog) -> None:
    """No 2xx for any write, JSON all the same, and readiness says so although the check's own page may be good."""
    stack = make_stack(settings=SETTINGS)
    for name in reversed(SERVICES):
        assert Write(stack, name).send().status == 201
        storage.damage(stack.services[name])
        refused = [Write(stack, name).send() for _ in range(WRITES)]
        assert {(reply.status, reply.json["code"]) for reply in refused} == {(503, "database_unavailable")}, name
        seen = wait_until(partial(not_ready, stack, name), within_s=UNREADY_WITHIN_S, what="not ready")
        assert seen.json["checks"]["database"] in ("unavailable", "damaged"), name
        assert Http(stack.services[name].url).get("/health/live").status == 200
    result_log(
        "database file damaged",
        injected="all pages but the first overwritten with noise, in each of the three services",
        times=WRITES * len(SERVICES),
        checks="no 2xx, JSON errors, /health 503, live 200",
        numbers=27,
    )


@pytest.mark.parametrize(("victim", "ends"), [(SERVICES[0], "PAID"), (SERVICES[1], "CANCELLED"), (SERVICES[2], "PAID")])
def test_a_disk_that_fills_up_while_money_is_taken_costs_nobody_anything(
    make_stack: MakeStack, result_log: ResultLog, victim: str, ends: str
) -> None:
    """The bank has charged, and from then on one of the three can note nothing: found out later, charged once."""
    slow = {**SETTINGS["payment_service"], "GATEWAY_DELAY_MS": "700"}
    stack = make_stack(settings={**SETTINGS, "payment_service": slow})
    payments = stack.services["payment_service"]
    card = {"payment_method": "CARD", "payment_method_details": {"token": "tok_ok"}}
    with ThreadPoolExecutor() as pool, checking(stack) as checker:
        body = {"customer_name": "Alice", "product_ids": [2], **card}
        placing = pool.submit(Http(stack.services["order_service"].url).post, "/api/orders/", body, key="once")
        wait_until(lambda: payments.rows(CHARGES) == [(1,)], what="the bank has charged")
        with storage.no_room(stack.services[victim]):
            status = placing.result().status
            if victim != "order_service":
                (order,) = stack.orders.get("/api/orders/").json["items"]
                assert (status, order["status"]) == {"PAID": (201, "PAID"), "CANCELLED": (400, "CANCELLED")}[ends]
            else:
                assert status == 503
        stack.start_workers()
        assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
        (order,) = stack.orders.get("/api/orders/").json["items"]
        assert order["status"] == ends
    assert payments.rows(CHARGES) == [(1,)]
    result_log(
        f"disk of {victim} full between the bank's charge and its record",
        injected="RLIMIT_FSIZE from the moment that the bank has charged",
        times=1,
        checks=f"one charge in the bank's books, order {ends}, all invariants",
        numbers=(10, 27),
    )


CHARGES: Final = "select count(*) from bank_entry where kind = 'charge' and decline_code = ''"


if LONG:

    def test_locked_for_thirty_seconds_as_delivered(make_stack: MakeStack, result_log: ResultLog) -> None:
        """With the busy time-out that is delivered: 503 after 20 s for whoever has the place, 201 when it is over."""
        stack = make_stack()
        service = stack.services["order_service"]
        with storage.locked(service), ThreadPoolExecutor() as pool:
            began = time.monotonic()
            writes = [Write(stack, "order_service") for _ in range(WRITES)]
            sent = [pool.submit(write.send) for write in writes]
            wait_until(lambda: not_ready(stack, "order_service"), within_s=UNREADY_WITHIN_S)
            replies = [each.result() for each in sent]
            assert [(reply.status, reply.headers["Retry-After"]) for reply in replies] == [(503, "1")] * WRITES
            *others, longest = sorted(reply.elapsed_s for reply in replies)
            assert max(others) < 19 < longest < 25
            time.sleep(max(0.0, 30 - (time.monotonic() - began)))
        assert [write.send().status for write in writes] == [201] * WRITES
        result_log(
            "SQLite database locked for 30 s",
            injected="another process holds BEGIN IMMEDIATE for 30 s, busy time-out as delivered (20 s)",
            times=WRITES,
            checks="503 + Retry-After, at once for who waits behind; /health 503 at once, same key succeeds after",
            numbers=26,
        )
