"""Who may do what: the table of scopes, at every route and method of this service."""

import pytest

from order_service.orders.models import Order
from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests import scopes


def test_no_route_is_without_a_line() -> None:
    """Each method of each route names the scope that it needs."""
    scopes.assert_no_route_is_without_a_line()


@pytest.mark.django_db
def test_every_route_asks_for_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody without a key or the scope, whoever has it; and before anything is looked at."""
    scopes.assert_every_route_asks_for_its_scope(monkeypatch, Order, Event, IdempotencyKey)


def test_the_api_document_says_the_scopes() -> None:
    """Of each operation, and those of the table."""
    scopes.assert_openapi_says_the_scopes()


def test_the_security_page_has_the_table() -> None:
    """For people who make keys."""
    scopes.assert_security_page_has_the_table("order_service")
