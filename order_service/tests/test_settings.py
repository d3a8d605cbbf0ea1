"""Settings that contradict each other stop the start with a sentence."""

from pathlib import Path
from typing import Any

import pytest
from django.core import checks

from order_service import settings as ours
from servicekit.settings import env as environment
from servicekit.tests.examples import assert_the_example_names_every_variable

# A check of the database looks into it.
pytestmark = pytest.mark.django_db


def found(identifier: str) -> list[str]:
    return [message.msg for message in checks.run_checks() if message.id == identifier]


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_the_example_names_every_variable(ours, "order_service", monkeypatch, also="ORDER_DB_")


def test_defaults_agree() -> None:
    """No check of ours complains."""
    assert [message.id for message in checks.run_checks() if str(message.id).startswith("orders.")] == []


@pytest.mark.parametrize(("lease_s", "complains"), [(21.0, True), (21.1, False)])
def test_lease_must_outlive_a_run(settings: Any, lease_s: float, complains: bool) -> None:
    """17 s for the order and 2 s for each of two follow-ups."""
    settings.ORDER_LEASE_S = lease_s
    assert bool(found("orders.E001")) is complains


@pytest.mark.parametrize(("deadline_s", "complains"), [(17.0, True), (16.9, False)])
def test_reserving_must_leave_time_for_paying(settings: Any, deadline_s: float, complains: bool) -> None:
    """The product deadline is inside the order's."""
    settings.PRODUCT_DEADLINE_S = deadline_s
    assert bool(found("orders.E002")) is complains


def test_the_first_clients_variables_name_the_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`ORDER_DB_*`, with that service's own values where one is not set; a `DB_*` says more."""
    for name in (*environment._ADDRESS.values(), "DB_ENGINE", "DB_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORDER_DB_HOST", "db.example")

    def found() -> tuple[str, ...]:
        database = environment.database(ours.env, default_sqlite=tmp_path / "db.sqlite3", also=ours._ORDER_DB)
        return tuple(database.get(part, "") for part in ("ENGINE", "HOST", "NAME", "USER", "PASSWORD"))

    engine = "django.db.backends.postgresql"
    assert found() == (engine, "db.example", "order_db", "order_user", "order_pass")
    monkeypatch.setenv("ORDER_DB_NAME", "orders")
    monkeypatch.setenv("ORDER_DB_USER", "me")
    monkeypatch.setenv("ORDER_DB_PASSWORD", "mine")
    assert found() == (engine, "db.example", "orders", "me", "mine")
    monkeypatch.setenv("DB_NAME", "elsewhere.sqlite3")
    assert found() == ("servicekit.db.sqlite", "", "elsewhere.sqlite3", "", "")
