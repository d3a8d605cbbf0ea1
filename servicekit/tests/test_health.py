"""Health endpoints, the OpenAPI document and its pages."""

from typing import Any

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_a_healthy_service_says_so(api: Any, path: str) -> None:
    """200 with the service, its version and the database's state."""
    answer = api.get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "service": "servicekit",
        "version": "1.2.3",
        "checks": {"database": "ok"},
    }


def test_without_its_database_it_is_unavailable_but_alive(api: Any) -> None:
    """503 with Retry-After; the process itself still answers."""

    def refuse(*_: Any) -> Any:
        raise OperationalError("could not connect to secret-host")

    with connection.execute_wrapper(refuse):
        health, live = api.get("/health"), api.get("/health/live")
    assert (health.status_code, health["Retry-After"]) == (503, "1")
    assert (health.json()["status"], health.json()["checks"]) == ("unavailable", {"database": "unavailable"})
    assert b"secret-host" not in health.content
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


def test_the_openapi_document_is_served(api: Any) -> None:
    """As JSON, in version 3, with the routes in it."""
    answer = api.get("/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["openapi"].startswith("3.")
    assert {"/health", "/health/live"} <= {path.rstrip("/") for path in answer.json()["paths"]}


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/redoc", "/redoc/"])
def test_the_documentation_needs_no_network(api: Any, path: str) -> None:
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
