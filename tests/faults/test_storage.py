"""A database that is locked, full, read-only, gone or damaged: no 2xx for a lost write, readiness says so, and when it
is over everything goes on by itself."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.client import Http, Reply
from tests.faults import storage
from tests.faults.checking import Checker, checking
from tests.faults.evidence import Told
from tests.stack import SERVICES, Stack, wait_until

MakeStack = Callable[..., Stack]
Fault = Callable[[Any], AbstractContextManager[None]]

LONG: Final = os.environ.get("FAULTS") == "long"
# How long a write waits for the lock here; as delivered it is 20 s.
BUSY_S: Final = 0.6
# A request makes more than one write; when the first gives up, it is answered, or gives its key back first.
LOCKED_ANSWER_WITHIN_S: Final = 2 * BUSY_S + 2.0
# What was found last is told for a second.
UNREADY_WITHIN_S: Final = 3.0
HEALTH_WITHIN_S: Final = 1.0
RECOVERS_WITHIN_S: Final = 60.0
WRITES: Final = 3
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        "SQLITE_BUSY_TIMEOUT_S": str(BUSY_S),
        "ORDER_LEASE_S": "7.5",
        "ORDER_DEADLINE_S": "3",
        "PRODUCT_DEADLINE_S": "2",
        "HTTP_READ_TIMEOUT_S": "2",
        "ORDER_EXPIRES_AFTER_S": "1",
        "BREAKER_OPEN_S": "0.2",
    },
    "payment_service": {
        "SQLITE_BUSY_TIMEOUT_S": str(BUSY_S),
        "PAYMENT_LEASE_S": "2",
        "PAYMENT_SETTLE_S": "3",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        "BREAKER_OPEN_S": "0.2",
    },
    "product_stub": {"SQLITE_BUSY_TIMEOUT_S": str(BUSY_S)},
}
# What a row of each service is found by, for the id that its client gave.
KEPT: Final = {
    "order_service": "select count(*) from orders_order where customer_name = ?",
    "payment_service": "select count(*) from payments_payment where order_id = ?",
    "product_stub": "select count(*) from catalog_reservation where replace(id, '-', '') = replace(?, '-', '')",
}
EVENTS: Final = {
    "order_service": "select count(*) from events_event where payload like '%' || ? || '%'",
    "payment_service": "select count(*) from events_event where payload like '%' || ? || '%'",
}


class Write:
    """One write that a client asks a service for, and may repeat: the same id, the same key."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._service = stack.services[name]
        self.id = str(uuid4())

    def send(self) -> Reply:
        http = Http(self._service.url)
        if self._service.name == "order_service":
            return http.post("/api/orders/", {"customer_name": self.id, "product_ids": [2]}, key=self.id)
        if self._service.name == "payment_service":
            return http.post("/api/payments/", {"order_id": self.id, "amount": "5.00"}, key=self.id)
        body = {"items": [{"product_id": 2, "quantity": 1}]}
        return http.request("PUT", f"/api/reservations/{self.id}/", json=body)

    def undo(self) -> None:
        """Leave nothing that only an order may have."""
        if self._service.name == "product_stub":
            assert Http(self._service.url).request("DELETE", f"/api/reservations/{self.id}/").status == 204

    def kept(self) -> tuple[int, bool]:
        """How many rows it left, and whether any event."""
        name = self._service.name
        ((rows,),) = self._service.rows(KEPT[name], self.id)
        events = self._service.rows(EVENTS[name], self.id) if name in EVENTS else [(rows,)]
        return rows, events[0][0] > 0


@pytest.fixture(scope="module")
def sound(make_module_stack: MakeStack) -> Stack:
    """One stack for every fault that ends: none of its processes is started again in between."""
    stack = make_module_stack(settings=SETTINGS)
    for name in ("order_service", "payment_service"):
        stack.start_worker(name)
    return stack


@pytest.fixture(scope="module")
def checker(sound: Stack) -> Iterator[Checker]:
    with checking(sound) as checker:
        yield checker


def health(stack: Stack, name: str) -> Reply:
    return Http(stack.services[name].url).get("/health")


def not_ready(stack: Stack, name: str) -> Reply | None:
    """What readiness says, once it is that it is not."""
    seen = health(stack, name)
    return seen if seen.status == 503 else None


def check_that_nothing_is_lost(stack: Stack, name: str, fault: Fault, *, state: str, within_s: float) -> None:
    """While the fault lasts every write is refused in time, leaves nothing, and readiness says so; afterwards the same
    requests are carried out, once each, by the same processes.
    """
    first, *writes = [Write(stack, name) for _ in range(WRITES + 1)]
    assert first.send().status == 201
    service = stack.services[name]
    with fault(service):
        refused = [write.send() for write in writes]
        for reply in refused:
            assert (reply.status, reply.json["code"]) == (503, "database_unavailable"), reply
            assert int(reply.headers["Retry-After"]) >= 1
            assert reply.elapsed_s < within_s
        seen = wait_until(lambda: not_ready(stack, name), within_s=UNREADY_WITHIN_S, what="not ready")
        assert (seen.json["checks"]["database"], seen.headers["Retry-After"]) == (state, "1")
        assert seen.elapsed_s < HEALTH_WITHIN_S
        assert Http(service.url).get("/health/live").status == 200
    assert [write.kept() for write in writes] == [(0, False)] * WRITES
    wait_until(lambda: health(stack, name).status == 200, within_s=RECOVERS_WITHIN_S, what="ready again")
    assert [write.send().status for write in writes] == [201] * WRITES
    assert [write.kept() for write in writes] == [(1, True)] * WRITES
    for write in (first, *writes):
        write.undo()


@pytest.mark.parametrize("name", SERVICES)
def test_locked_by_another_process_a_write_waits_its_time_and_is_refused(
    sound: Stack, checker: Checker, evidence: Told, name: str
) -> None:
    """503 with Retry-After after the busy time-out, nothing half-written; afterwards the same request succeeds."""
    check_that_nothing_is_lost(sound, name, storage.locked, state="not writable", within_s=LOCKED_ANSWER_WITHIN_S)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    evidence(
        f"SQLite database of {name} locked",
        injected="another process holds BEGIN IMMEDIATE for longer than the busy time-out",
        times=WRITES,
        checks="503 + Retry-After in time, no row, no event; /health 503; same key succeeds after; all invariants",
        numbers=26,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_on_a_full_disk_nothing_is_promised(sound: Stack, checker: Checker, evidence: Told, name: str) -> None:
    """Every write is refused at once, reads go on, and with room again the same processes go on."""
    check_that_nothing_is_lost(sound, name, storage.no_room, state="not writable", within_s=2.0)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    evidence(
        f"disk of {name} full",
        injected="no file of the running process can grow (RLIMIT_FSIZE), the log's included",
        times=WRITES,
        checks="503 + Retry-After, no row, no event; /health 503, live 200; same key succeeds after; all invariants",
        numbers=27,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_with_the_file_moved_away_nothing_is_written_into_it(
    sound: Stack, checker: Checker, evidence: Told, name: str
) -> None:
    """SQLite would go on with the file that it has open, and say that all is well."""
    check_that_nothing_is_lost(sound, name, storage.gone, state="unavailable", within_s=2.0)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    evidence(
        f"database file of {name} moved away",
        injected="the file is renamed under the running service, and put back",
        times=WRITES,
        checks="503 + Retry-After, no row in the file, no new file; /health 503; same key succeeds after",
        numbers=27,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_file_that_can_only_be_read_is_read(make_stack: MakeStack, evidence: Told, name: str) -> None:
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
    evidence(
        f"database of {name} read-only",
        injected="the file's permission bits, which root is made to mind too",
        times=WRITES,
        checks="reads 200, writes 503 + Retry-After, /health 503; writes work again without a restart",
        numbers=27,
    )


READS: Final = {
    "order_service": "/api/orders/",
    "payment_service": "/v1/payments",
    "product_stub": "/api/products/",
}


def test_a_damaged_database_is_never_taken_for_a_good_one(make_stack: MakeStack, evidence: Told) -> None:
    """No 2xx for any write, JSON all the same, and readiness says so although the check's own page may be good."""
    stack = make_stack(settings=SETTINGS)
    for name in reversed(SERVICES):
        assert Write(stack, name).send().status == 201
        storage.damage(stack.services[name])
        refused = [Write(stack, name).send() for _ in range(WRITES)]
        assert {(reply.status, reply.json["code"]) for reply in refused} == {(503, "database_unavailable")}, name
        seen = wait_until(lambda name=name: not_ready(stack, name), within_s=UNREADY_WITHIN_S, what="not ready")
        assert seen.json["checks"]["database"] in ("unavailable", "damaged"), name
        assert Http(stack.services[name].url).get("/health/live").status == 200
    evidence(
        "database file damaged",
        injected="all pages but the first overwritten with noise, in each of the three services",
        times=WRITES * len(SERVICES),
        checks="no 2xx, JSON errors, /health 503, live 200",
        numbers=27,
    )


@pytest.mark.parametrize(("victim", "ends"), [(SERVICES[0], "PAID"), (SERVICES[1], "CANCELLED"), (SERVICES[2], "PAID")])
def test_a_disk_that_fills_up_while_money_is_taken_costs_nobody_anything(
    make_stack: MakeStack, evidence: Told, victim: str, ends: str
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
        for name in ("order_service", "payment_service"):
            stack.start_worker(name)
        assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
        (order,) = stack.orders.get("/api/orders/").json["items"]
        assert order["status"] == ends
    assert payments.rows(CHARGES) == [(1,)]
    evidence(
        f"disk of {victim} full between the bank's charge and its record",
        injected="RLIMIT_FSIZE from the moment that the bank has charged",
        times=1,
        checks=f"one charge in the bank's books, order {ends}, all invariants",
        numbers=(10, 27),
    )


CHARGES: Final = "select count(*) from bank_entry where kind = 'charge' and decline_code = ''"


@pytest.mark.parametrize("fault", [storage.locked, storage.no_room])
def test_workers_neither_die_nor_spin_nor_forget(
    sound: Stack, checker: Checker, evidence: Told, fault: Callable[..., AbstractContextManager[None]]
) -> None:
    """A job that fails is tried less and less often; when it is over, what was due is done."""
    worker = next(worker for worker in sound.workers if worker.name == "order_service worker")
    placed = sound.orders.post("/api/orders/", {"customer_name": "Bob", "product_ids": [2], "payment": "later"})
    assert placed.status == 201
    failed_before = worker.log_text().count('"worker.job_failed"')
    with fault(sound.services["order_service"], worker):
        wait_until(lambda: worker.log_text().count('"worker.job_failed"') > failed_before, what="a job fails")
        time.sleep(WATCHED_S)
        failures = worker.log_text().count('"worker.job_failed"') - failed_before
        assert worker.is_running
    assert 1 <= failures <= MOST_FAILURES
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    assert sound.orders.get(f"/api/orders/{placed.json['id']}/").json["status"] == "CANCELLED"
    evidence(
        "storage fault under a worker",
        injected="lock held" if fault is storage.locked else "disk full",
        times=failures,
        checks=f"at most {MOST_FAILURES} failures in {WATCHED_S + 1:.0f} s, still running, an order expired after",
        numbers=(26,) if fault is storage.locked else (27,),
    )


WATCHED_S: Final = 2.0
# A worker rests 0.05 s here. Its four jobs fail at 0, 0.05, 0.15, 0.35, 0.75, 1.55 and 3.15 s.
MOST_FAILURES: Final = 28

if LONG:

    def test_locked_for_thirty_seconds_as_delivered(make_stack: MakeStack, evidence: Told) -> None:
        """With the busy time-out that is delivered: 503 after 20 s, health in half a second, 201 when it is over."""
        stack = make_stack()
        service = stack.services["order_service"]
        with storage.locked(service), ThreadPoolExecutor() as pool:
            began = time.monotonic()
            writes = [Write(stack, "order_service") for _ in range(WRITES)]
            sent = [pool.submit(write.send) for write in writes]
            wait_until(lambda: not_ready(stack, "order_service"), within_s=UNREADY_WITHIN_S)
            for reply in (each.result() for each in sent):
                assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
                assert 19 < reply.elapsed_s < 25
            time.sleep(max(0.0, 30 - (time.monotonic() - began)))
        assert [write.send().status for write in writes] == [201] * WRITES
        evidence(
            "SQLite database locked for 30 s",
            injected="another process holds BEGIN IMMEDIATE for 30 s, busy time-out as delivered (20 s)",
            times=WRITES,
            checks="503 + Retry-After after 20 s, /health 503 at once, same key succeeds after",
            numbers=26,
        )
