"""Who may do what: the table of scopes, at every route and method of this service."""

import pytest

from notify_service.mailing.models import Mail
from servicekit.tests import scopes


def test_no_route_is_without_a_line() -> None:
    """Whoever adds a route says which scope each of its methods needs."""
    scopes.assert_no_route_is_without_a_line()


@pytest.mark.django_db
def test_every_route_asks_for_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody without a key or the scope, whoever has it; and before anything is looked at."""
    scopes.assert_every_route_asks_for_its_scope(monkeypatch, Mail)


def test_the_api_document_says_the_scopes() -> None:
    """Of each operation, and those of the table."""
    scopes.assert_openapi_says_the_scopes()


def test_the_security_page_has_the_table() -> None:
    """For people who make keys."""
    scopes.assert_security_page_has_the_table("notify_service")
