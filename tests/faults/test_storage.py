"""A database that is locked, full or gone: no 2xx for a lost write, readiness says so, and when it is over everything
goes on by itself, in the same processes.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest

from tests.client import Http
from tests.faults import storage, writes
from tests.faults.checking import Checker
from tests.faults.result_log import ResultLog
from tests.faults.writes import BUSY_S, UNREADY_WITHIN_S, Write, health, not_ready
from tests.stack import SERVICES, Stack, wait_until

# For the stack (conftest.py).
SETTINGS: Final = writes.SETTINGS
Fault = Callable[[Any], AbstractContextManager[None]]

# A request makes more than one write; when the first gives up, it is answered, or gives its key back first.
LOCKED_ANSWER_WITHIN_S: Final = 2 * BUSY_S + 2.0
HEALTH_WITHIN_S: Final = 1.0
RECOVERS_WITHIN_S: Final = 300.0
WRITES: Final = 3


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
    sound: Stack, checker: Checker, result_log: ResultLog, name: str
) -> None:
    """503 with Retry-After after the busy time-out, nothing half-written; afterwards the same request succeeds."""
    check_that_nothing_is_lost(sound, name, storage.locked, state="not writable", within_s=LOCKED_ANSWER_WITHIN_S)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    result_log(
        f"SQLite database of {name} locked",
        injected="another process holds BEGIN IMMEDIATE for longer than the busy time-out",
        times=WRITES,
        checks="503 + Retry-After in time, no row, no event; /health 503; same key succeeds after; all invariants",
        numbers=26,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_on_a_full_disk_nothing_is_promised(sound: Stack, checker: Checker, result_log: ResultLog, name: str) -> None:
    """Every write is refused at once, reads go on, and with room again the same processes go on."""
    check_that_nothing_is_lost(sound, name, storage.no_room, state="not writable", within_s=2.0)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    result_log(
        f"disk of {name} full",
        injected="no file of the running process can grow (RLIMIT_FSIZE), the log's included",
        times=WRITES,
        checks="503 + Retry-After, no row, no event; /health 503, live 200; same key succeeds after; all invariants",
        numbers=27,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_with_the_file_moved_away_nothing_is_written_into_it(
    sound: Stack, checker: Checker, result_log: ResultLog, name: str
) -> None:
    """SQLite would go on with the file that it has open, and say that all is well."""
    check_that_nothing_is_lost(sound, name, storage.gone, state="unavailable", within_s=2.0)
    assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    result_log(
        f"database file of {name} moved away",
        injected="the file is renamed under the running service, and put back",
        times=WRITES,
        checks="503 + Retry-After, no row in the file, no new file; /health 503; same key succeeds after",
        numbers=27,
    )


@pytest.mark.parametrize("fault", [storage.locked, storage.no_room])
def test_workers_neither_die_nor_spin_nor_forget(
    sound: Stack, checker: Checker, result_log: ResultLog, fault: Callable[..., AbstractContextManager[None]]
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
    expired = f"/api/orders/{placed.json['id']}/"
    wait_until(lambda: sound.orders.get(expired).json["status"] == "CANCELLED", what="what was due is done")
    result_log(
        "storage fault under a worker",
        injected="lock held" if fault is storage.locked else "disk full",
        times=failures,
        checks=f"at most {MOST_FAILURES} failures in {WATCHED_S + 1:.0f} s, still running, an order expired after",
        numbers=(26,) if fault is storage.locked else (27,),
    )


WATCHED_S: Final = 2.0
# A worker rests 0.05 s here. Its four jobs fail at 0, 0.05, 0.15, 0.35, 0.75, 1.55 and 3.15 s.
MOST_FAILURES: Final = 28
