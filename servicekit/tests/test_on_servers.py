"""What only a database server does: sessions with limits, deadlocks, connections that are lost. Not run on SQLite."""

import json
import threading
from collections import Counter
from typing import Any, Final

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from servicekit.db.transactions import in_one_transaction
from servicekit.load.slot import Connections
from servicekit.tests.models import Sample
from servicekit.tests.sessions import KILL, OWN_ID, Threads, another_session, close_pool, fetch
from servicekit.web import error_responses

pytestmark = pytest.mark.django_db(transaction=True)

# MySQL and MariaDB have two names for two of them.
SESSION: Final = {
    "postgresql": "SELECT name, setting FROM pg_settings WHERE name IN %s",
    "mysql": "SHOW SESSION VARIABLES WHERE Variable_name IN %s",
}
AS_SET: Final[dict[str, dict[tuple[str, ...], str]]] = {
    "postgresql": {
        ("transaction_isolation",): "read committed",
        ("lock_timeout",): "5000",
        ("statement_timeout",): "10000",
        ("idle_in_transaction_session_timeout",): "30000",
        ("TimeZone",): "UTC",
    },
    "mysql": {
        ("tx_isolation", "transaction_isolation"): "READ-COMMITTED",
        ("innodb_lock_wait_timeout",): "5",
        ("max_statement_time", "max_execution_time"): "10",
        ("time_zone",): "+00:00",
    },
}
SHORT_LOCK_WAIT: Final = {
    "postgresql": "SET lock_timeout = '50ms'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
}
SHORT_STATEMENTS: Final = {
    "postgresql": "SET statement_timeout = '50ms'",
    "mysql": "SET SESSION max_statement_time = 0.05",
}
LONG_STATEMENT: Final = {"postgresql": "SELECT pg_sleep(5)", "mysql": "SELECT SLEEP(5)"}


@pytest.fixture(autouse=True)
def _sessions_end_with_the_test() -> Any:
    """What a test has told its session, no other one is to hear of."""
    yield
    if connection.vendor == "postgresql":
        close_pool()
    connection.close()


def test_every_session_has_its_limits() -> None:
    """Isolation, waiting for a lock, a statement, lying idle in a transaction, and UTC."""
    for names, value in AS_SET[connection.vendor].items():
        wanted = "IN (" + ", ".join(["%s"] * len(names)) + ")"
        statement = {vendor: sql.replace("IN %s", wanted) for vendor, sql in SESSION.items()}
        (found,) = fetch(statement, *names)
        assert found[1].startswith(value), found


def test_what_another_has_committed_is_seen_at_once() -> None:
    """READ COMMITTED: each statement looks anew, also inside a transaction."""
    with transaction.atomic():
        assert Sample.objects.count() == 0
        with Threads() as threads:
            threads.start(lambda: Sample.objects.create(name="one")).result()
        assert Sample.objects.count() == 1


def assert_asks_for_patience(problem: OperationalError) -> None:
    answer = error_responses.answer_for(problem)
    assert (answer.status, answer.headers) == (503, {"Retry-After": "1"})


def test_a_lock_is_not_waited_for_for_ever() -> None:
    """The client is told to come again, and nothing is half-written."""
    sample = Sample.objects.create(name="one")

    def write() -> None:
        fetch(SHORT_LOCK_WAIT)
        with transaction.atomic():
            Sample.objects.create(name="two")
            Sample.objects.filter(pk=sample.pk).update(version=2)

    with transaction.atomic(), Threads() as threads:
        Sample.objects.select_for_update().get(pk=sample.pk)
        with pytest.raises(OperationalError) as raised:
            threads.start(write).result()
    assert_asks_for_patience(raised.value)
    assert [(found.name, found.version) for found in Sample.objects.all()] == [("one", 1)]


def test_a_statement_does_not_run_for_ever() -> None:
    """It is stopped by the server, and the connection is good for the next one."""
    fetch(SHORT_STATEMENTS)
    with pytest.raises(OperationalError) as raised:
        fetch(LONG_STATEMENT)
    assert_asks_for_patience(raised.value)
    assert error_responses.answer_to(RequestFactory().get("/"), raised.value).body["code"] == "overloaded"
    assert Sample.objects.count() == 0


def test_a_deadlock_costs_nobody_anything() -> None:
    """Two that wait for each other: the database undoes one, which is run again after the other."""
    first, second = (Sample.objects.create(name=name) for name in ("first", "second"))
    both_have_one, runs = threading.Barrier(2), Counter[str]()

    @in_one_transaction
    def add_to_both(who: str, *samples: Sample) -> None:
        runs[who] += 1
        for sample in samples:
            found = Sample.objects.select_for_update().get(pk=sample.pk)
            Sample.objects.filter(pk=sample.pk, version=found.version).update(version=found.version + 1)
            if runs[who] == 1 and sample is samples[0]:
                both_have_one.wait(60)

    with Threads() as threads:
        for done in [threads.start(add_to_both, "a", first, second), threads.start(add_to_both, "b", second, first)]:
            done.result()
    assert sorted(runs.values()) == [1, 2]
    assert list(Sample.objects.order_by("pk").values_list("version", flat=True)) == [3, 3]


def post(client: Client, name: str) -> Any:
    return client.post("/things", json.dumps({"name": name}), content_type="application/json")


def test_a_connection_that_was_lost_between_two_requests_is_replaced() -> None:
    """As after a restart of the server: the next request does not notice."""
    client = Client(raise_request_exception=False)

    def own_id() -> Any:
        return fetch(OWN_ID)[0][0]

    idle = Connections(keep=1)

    def borrowed(work: Any) -> Any:
        lent = idle.lend()
        try:
            return work()
        finally:
            idle.take_back(lent)

    def work() -> tuple[Any, Any, int]:
        before = borrowed(own_id)
        with another_session() as other:
            fetch(KILL, before, using=other)
        return before, borrowed(own_id), borrowed(lambda: post(client, "one").status_code)

    with Threads() as threads:
        before, after, status = threads.start(work).result()
    assert before != after
    assert status == 201


def test_a_connection_that_is_lost_in_a_transaction_asks_for_patience() -> None:
    """Nothing was written; the request after that is answered as ever."""

    def write() -> None:
        with transaction.atomic():
            Sample.objects.create(name="one")
            own_id = fetch(OWN_ID)[0][0]
            with another_session() as other:
                fetch(KILL, own_id, using=other)
            Sample.objects.create(name="two")

    with Threads() as threads:
        with pytest.raises(OperationalError) as raised:
            threads.start(write).result()
        assert_asks_for_patience(raised.value)
        assert threads.start(Sample.objects.count).result() == 0
