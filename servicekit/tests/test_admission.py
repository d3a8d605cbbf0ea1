"""Who has a slot: what moves something is never kept from it by what is only looked at, or by whoever watches."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from servicekit.load.limiter import ConcurrencyLimiter
from servicekit.load.slot import Connections, Slot, close_if_unusable, released
from servicekit.web import admission, error_responses
from servicekit.web.admission import AdmissionMiddleware

pytestmark = pytest.mark.django_db
# Longer than any thread here works.
PATIENCE_S = 300.0
READ, WORK, PEOPLE = ("GET", "/things"), ("POST", "/things"), ("POST", "/admin/login/")
LIVE, HEALTH, METRICS = ("GET", "/health/live"), ("GET", "/health"), ("GET", "/metrics")
Asked = tuple[str, str]


class House:
    """An admission whose visitors stay inside until they are let go."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._admission = AdmissionMiddleware(self._stay)
        self._inside: list[Asked] = []
        self._changed = threading.Condition()
        self._open = threading.Event()

    def send(self, asked: Asked) -> "Future[HttpResponse]":
        return self._pool.submit(self.ask, asked)

    def ask(self, asked: Asked) -> HttpResponse:
        method, path = asked
        return self._admission(RequestFactory().generic(method, path))

    def wait_for(self, *inside: Asked) -> None:
        """Until exactly these are worked on."""
        with self._changed:
            assert self._changed.wait_for(lambda: sorted(self._inside) == sorted(inside), PATIENCE_S), self._inside

    def wait_for_arrivals(self, count: int) -> None:
        """Until so many of all kinds but watchers are here, worked on or waiting."""
        limiter, room = self._admission._work.limiter, settings.ADMISSION.in_flight
        while room - limiter._room < count:
            threading.Event().wait(0.001)

    def let_go(self) -> None:
        self._open.set()

    def _stay(self, request: HttpRequest) -> HttpResponse:
        asked = (str(request.method), request.path_info)
        with self._changed:
            self._inside.append(asked)
            self._changed.notify_all()
        assert self._open.wait(PATIENCE_S)
        with self._changed:
            self._inside.remove(asked)
            self._changed.notify_all()
        return HttpResponse(status=204)


@contextmanager
def house(**changed: Any) -> Iterator[House]:
    asked = {"at_once": 1, "in_flight": 40, "wait_s": PATIENCE_S, "reads": ("/things", "/things/[^/]+/trail")}
    settings.ADMISSION = replace(settings.ADMISSION, **{**asked, **changed})
    with ThreadPoolExecutor(40) as pool:
        visited = House(pool)
        try:
            yield visited
        finally:
            visited.let_go()


@pytest.fixture(autouse=True)
def _admission_as_it_was(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-django's fixture puts it back. Nobody is refused for a slow machine."""
    monkeypatch.setattr(admission, "_WATCHERS_WAIT_S", PATIENCE_S)
    settings.ADMISSION = settings.ADMISSION


def test_a_read_takes_no_slot_from_work() -> None:
    """Each has its own: with nine reads there, one of them in the reads' slot, a write is worked on at once."""
    with house() as visited:
        reads = [visited.send(READ) for _ in range(9)]
        visited.wait_for_arrivals(9)
        work = visited.send(WORK)
        visited.wait_for(READ, WORK)
        visited.let_go()
        assert [each.result().status_code for each in (*reads, work)] == [204] * 10


def test_reads_that_wait_are_no_more_than_their_share() -> None:
    """A quarter of all that is taken in; the next one is told to come again, and a write is not."""
    with house() as visited:
        reads = [visited.send(READ) for _ in range(10)]
        visited.wait_for_arrivals(10)
        refused = visited.ask(READ)
        assert (refused.status_code, refused["Retry-After"]) == (503, "1")
        work = visited.send(WORK)
        visited.wait_for(READ, WORK)
        visited.let_go()
        assert [each.result().status_code for each in (*reads, work)] == [204] * 11


def test_a_read_that_waits_in_vain_is_refused() -> None:
    """Within its time, and the one that has the slot goes on."""
    with house(wait_s=0.05) as visited:
        first = visited.send(READ)
        visited.wait_for(READ)
        assert visited.ask(READ).status_code == 503
        visited.let_go()
        assert first.result().status_code == 204


def test_work_takes_no_slot_from_reads() -> None:
    """Nor the other way round: a list is answered while a write takes its time."""
    with house() as visited:
        work = visited.send(WORK)
        read = visited.send(READ)
        visited.wait_for(READ, WORK)
        visited.let_go()
        assert [work.result().status_code, read.result().status_code] == [204, 204]


def test_the_admin_has_one_slot_beside_the_work() -> None:
    """Fifteen who try passwords: two wait for the first, the others are told to come again, and a write goes on."""
    with house() as visited:
        people = [visited.send(PEOPLE) for _ in range(2)]
        visited.wait_for_arrivals(2)
        assert [visited.ask(PEOPLE).status_code for _ in range(13)] == [503] * 13
        work = visited.send(WORK)
        visited.wait_for(PEOPLE, WORK)
        visited.let_go()
        assert [each.result().status_code for each in (*people, work)] == [204] * 3


@pytest.mark.parametrize(
    "asked",
    [
        *[("GET", path) for path in ("/things", "/things/", "/things/7/trail", "/openapi.json", "/docs/", "/redoc")],
        ("HEAD", "/things"),
    ],
)
def test_lists_and_documents_are_reads(asked: Asked) -> None:
    """With and without the slash, and whether or not the body is wanted."""
    with house(wait_s=0.0) as visited:
        visited.send(READ)
        visited.wait_for(READ)
        assert visited.ask(asked).status_code == 503


@pytest.mark.parametrize(
    "asked", [("POST", "/things"), ("PUT", "/things"), ("GET", "/things/7"), ("GET", "/things/7/x")]
)
def test_anything_else_is_work(asked: Asked) -> None:
    """What moves something, and what is asked for on the way of an order."""
    with house(wait_s=0.0) as visited:
        visited.send(WORK)
        visited.wait_for(WORK)
        assert visited.ask(asked).status_code == 503


def test_watchers_are_answered_whatever_happens() -> None:
    """Where not even a request more is taken in."""
    with house(in_flight=1) as visited:
        visited.send(WORK)
        visited.wait_for(WORK)
        assert visited.ask(WORK).status_code == 503
        watching = [visited.send(asked) for asked in (LIVE, HEALTH, METRICS)]
        visited.wait_for(WORK, LIVE, HEALTH, METRICS)
        visited.let_go()
        assert [each.result().status_code for each in watching] == [204] * 3


def test_many_watchers_take_turns() -> None:
    """Of thirty few are worked on at once, none is refused, and none of one kind keeps those of another waiting."""
    with house() as visited:
        watching = [visited.send(asked) for asked in (METRICS, HEALTH) for _ in range(15)]
        visited.wait_for(*[METRICS] * 2, *[HEALTH] * 4)
        watching.append(visited.send(LIVE))
        visited.wait_for(*[METRICS] * 2, *[HEALTH] * 4, LIVE)
        visited.let_go()
        assert [each.result().status_code for each in watching] == [204] * 31


def test_a_watcher_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind four that the database keeps, the fifth is told to come again; being alive has another limiter."""
    monkeypatch.setattr(admission, "_WATCHERS_WAIT_S", 0.05)
    with house() as visited:
        kept = [visited.send(HEALTH) for _ in range(4)]
        visited.wait_for(*[HEALTH] * 4)
        refused = visited.ask(HEALTH)
        assert (refused.status_code, refused["Retry-After"]) == (503, "1")
        kept.append(visited.send(LIVE))
        visited.wait_for(*[HEALTH] * 4, LIVE)
        visited.let_go()
        assert [each.result().status_code for each in kept] == [204] * 5
        assert visited.ask(HEALTH).status_code == 204


def endless() -> None:
    """Counts for longer than anybody waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000000) SELECT max(i) FROM n"
        )
        cursor.fetchall()


def borrowed(idle: Connections, work: Callable[[], None]) -> None:
    lent = idle.lend()
    try:
        work()
    finally:
        idle.take_back(lent)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a server has a limit of its own: test_on_servers.py")
def test_a_read_does_not_run_for_ever() -> None:
    """SQLite is interrupted, also where the connection was open before, and then asked for something small."""

    def read() -> None:
        connection.ensure_connection()
        endless()

    idle = Connections(keep=1, limit_s=0.05)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            with pytest.raises(OperationalError, match="interrupted"):
                pool.submit(borrowed, idle, read).result()
        pool.submit(borrowed, idle, connection.ensure_connection).result()
        pool.submit(lambda: [each.close() for each in idle._idle]).result()


@pytest.mark.parametrize(
    ("method", "code"), [("GET", "overloaded"), ("HEAD", "overloaded"), ("POST", "database_unavailable")]
)
def test_a_read_that_took_too_long_asks_for_patience(method: str, code: str) -> None:
    """And is no outage. A write that took too long may be one: what it has done is not said to be nothing."""
    answer = error_responses.answer_to(RequestFactory().generic(method, "/things"), OperationalError("interrupted"))
    assert (answer.status, answer.body["code"], answer.headers) == (503, code, {"Retry-After": "1"})


def free_slots(limiter: ConcurrencyLimiter) -> list[int]:
    """How many there are while somebody works, waits, waits within that, waits still, and works again."""
    found = []
    with Slot(limiter, Connections(keep=1), wait_s=PATIENCE_S):
        found.append(limiter._free)
        with released():
            found.append(limiter._free)
            with released():
                found.append(limiter._free)
            found.append(limiter._free)
        found.append(limiter._free)
    return found


def test_a_place_is_given_back_once() -> None:
    """Who waits within a wait, as a gateway does that asks by `servicekit.http.client`, gives back no second slot."""
    limiter = ConcurrencyLimiter(slots=1, in_flight=1)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(free_slots, limiter).result() == [0, 1, 1, 1, 0]
    assert limiter._free == 1


def test_pools_come_and_go_while_idle_connections_are_closed() -> None:
    """Whoever loads the middleware does not break a request at its side."""
    enough = threading.Event()

    def come_and_go() -> None:
        while not enough.is_set():
            Connections(keep=1)

    fresh = connections.create_connection(DEFAULT_DB_ALIAS)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor() as pool:
            comings = [pool.submit(come_and_go) for _ in range(4)]
            try:
                for _ in range(2_000):
                    close_if_unusable(fresh)
            finally:
                enough.set()
            for each in comings:
                each.result()
    finally:
        sys.setswitchinterval(interval)
        fresh.close()
