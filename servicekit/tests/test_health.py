"""Health endpoints, the OpenAPI document and its pages."""

from threading import Event
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection
from pytest_django import DjangoAssertNumQueries

from servicekit.load.limiter import ConcurrencyLimiter
from servicekit.storage import damage, readiness
from servicekit.storage.models import Heartbeat
from servicekit.tests.clocks import Clock
from servicekit.tests.conftest import Api
from servicekit.web import draining, health
from servicekit.web.admission import AdmissionMiddleware

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A process of which nothing is known yet."""
    clock = Clock()
    monkeypatch.setattr(health, "_database_state", readiness.State(clock=clock))
    damage._seen.clear()
    return clock


def fails_to_write(execute: Any, sql: str, *rest: Any) -> Any:
    """A disk that is full, or a file that can only be read."""
    if sql.startswith(("UPDATE", "INSERT")):
        raise OperationalError("database or disk is full")
    return execute(sql, *rest)


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_a_healthy_service_says_so(api: Api, path: str) -> None:
    """200 with the service, its version and the database's state."""
    answer = api.get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "service": "servicekit",
        "version": "1.2.3",
        "checks": {"database": "ok"},
        "downstreams": {},
    }


def test_without_its_database_it_is_unavailable_but_alive(api: Api) -> None:
    """503 with Retry-After; the process itself still answers."""

    def refuse(*_: Any) -> Any:
        raise OperationalError("could not connect to secret-host")

    with connection.execute_wrapper(refuse):
        health, live = api.get("/health"), api.get("/health/live")
    assert (health.status_code, health["Retry-After"]) == (503, "1")
    assert (health.json()["status"], health.json()["checks"]) == ("unavailable", {"database": "unavailable"})
    assert b"secret-host" not in health.content
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("seconds", "status"), [(29.0, 200), (30.0, 503)])
def test_full_of_requests_that_do_not_move_it_does_not_live(
    api: Api, monkeypatch: pytest.MonkeyPatch, seconds: float, status: int
) -> None:
    """503 after half a minute, longer than any request takes; whoever watches it starts it anew."""
    assert api.get("/health/live").status_code == 200
    clock = Clock()
    limiter = ConcurrencyLimiter(slots=1, in_flight=1, clock=clock)
    monkeypatch.setattr(AdmissionMiddleware, "limiter", limiter)
    limiter.enter()
    clock.now = seconds
    assert api.get("/health/live").status_code == status
    limiter.leave()
    assert api.get("/health/live").json() == {"status": "ok"}


def test_where_only_reading_works_it_is_not_ready(api: Api) -> None:
    """503, and which check it is; as soon as a write works again it says so."""
    with connection.execute_wrapper(fails_to_write):
        health = api.get("/health")
    assert (health.status_code, health.json()["checks"]) == (503, {"database": "not writable"})
    assert (api.get("/health").status_code, Heartbeat.objects.count()) == (200, 1)


def test_asked_often_it_writes_once_a_second(
    api: Api, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A health check must not become a load: in between it tells what it found last."""
    api.get("/health")
    with django_assert_num_queries(0):
        assert [api.get("/health").status_code for _ in range(5)] == [200] * 5
    with connection.execute_wrapper(fails_to_write):
        clock.now = readiness.FOUND_ANEW_AFTER_S - 0.01
        assert api.get("/health").status_code == 200
        clock.now = readiness.FOUND_ANEW_AFTER_S
        assert api.get("/health").status_code == 503


def test_while_one_looks_the_others_are_told_what_is_known(clock: Clock) -> None:
    """However many ask while a write waits for its lock, only one thread waits with it."""
    looked: list[str] = []
    database_state = readiness.State(clock=clock)

    def ask_meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        looked.append(database_state())
        return fails_to_write(execute, sql, *rest)

    with connection.execute_wrapper(ask_meanwhile):
        assert database_state() == "not writable"
    assert set(looked) == {"ok"}


def test_a_damaged_database_is_not_ready_until_the_process_starts_again(api: Api) -> None:
    """The page that is broken need not be one that the check comes across."""
    damage.note(DatabaseError("database disk image is malformed"))
    health = api.get("/health")
    assert (health.status_code, health.json()["checks"]) == (503, {"database": "damaged"})


@pytest.mark.parametrize("harmless", [DatabaseError("no row"), OperationalError("malformed"), ValueError("malformed")])
def test_another_error_is_no_damage(api: Api, harmless: Exception) -> None:
    """Only what SQLite itself says of its file."""
    damage.note(harmless)
    assert api.get("/health").status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_the_root_says_who_answers_and_where_to_read_on(api: Api, accept: str) -> None:
    """In JSON, a browser too; what it names is there."""
    answer = api.get("/", HTTP_ACCEPT=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json() == {
        "service": "servicekit",
        "version": "1.2.3",
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
    }
    assert [api.get(answer.json()[name]).status_code for name in ("docs", "openapi", "health")] == [200] * 3
    assert api.request("POST", "/").status_code == 405


def test_the_openapi_document_is_served(api: Api) -> None:
    """As JSON, in version 3, with the routes in it."""
    answer = api.get("/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["openapi"].startswith("3.")
    assert {"/health", "/health/live"} <= {path.rstrip("/") for path in answer.json()["paths"]}


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/redoc", "/redoc/"])
def test_the_documentation_needs_no_network(api: Api, path: str) -> None:
    """Every script and style of the pages comes from the service itself, and is there."""
    page = api.get(path)
    assert page.status_code == 200
    text = page.content.decode()
    sources = [part.split('"')[0] for name in ('src="', 'href="') for part in text.split(name)[1:]]
    assert any(source.endswith(".js") for source in sources)
    for source in sources:
        assert source.startswith(("/static/", "/openapi.json", "data:")), source
        if source.startswith("/static/"):
            assert api.get(source).status_code == 200


def test_a_process_that_is_about_to_end_is_not_ready_and_alive(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever shares out the requests leaves it out; nobody kills it for that."""
    monkeypatch.setattr(draining, "_draining", Event())
    draining.drain()
    ready, live = api.get("/health"), api.get("/health/live")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "ok", "server": "draining"})
    assert live.status_code == 200
