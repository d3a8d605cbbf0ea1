"""What starts beside a migration waits until the database is ready."""

import pytest
from django.core import checks
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from servicekit.storage import waiting
from servicekit.tests.clocks import Clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kept_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own transaction is on it."""
    monkeypatch.setattr(connections, "close_all", lambda: None)


def test_a_database_that_has_every_migration_is_ready() -> None:
    """Those of a later version are in nobody's way: an older one comes back to it."""
    MigrationRecorder(connection).record_applied("storage", "9999_of_a_later_version")
    assert waiting.missing() == ""


def test_one_migration_that_has_not_run_is_missing() -> None:
    executor = MigrationExecutor(connection)
    last = max(key for key in executor.loader.graph.leaf_nodes() if key[0] == "storage")
    MigrationRecorder(connection).record_unapplied(*last)
    assert waiting.missing() == f"1 migrations, the first is {last[0]}.{last[1]}"


def test_a_database_that_is_away_is_waited_for() -> None:
    def refuse(*_: object) -> object:
        raise OperationalError("no route to host")

    with connection.execute_wrapper(refuse):
        assert waiting.missing() == "an answer: no route to host"


def test_a_service_that_takes_keys_and_has_none_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end at once: whoever migrates makes the keys after that."""
    monkeypatch.setattr(checks, "run_checks", lambda **_: [checks.Error("It has no keys."), checks.Warning("Hm.")])
    assert waiting.missing() == "It has no keys."


def test_it_looks_until_nothing_is_missing() -> None:
    clock, said = Clock(), list[str]()
    left = ["migrations", "migrations", ""]

    def sleep(seconds: float) -> None:
        clock.now += seconds

    assert waiting.wait(lambda: left.pop(0), within_s=60, say=said.append, clock=clock, sleep=sleep)
    assert said == ["The database still lacks migrations", "The database is ready"]


def test_it_gives_up_in_time() -> None:
    """Whoever started it begins anew, and says so where it is seen."""
    clock, said = Clock(), list[str]()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    assert not waiting.wait(lambda: "migrations", within_s=60, say=said.append, clock=clock, sleep=sleep)
    assert clock.now == pytest.approx(60, abs=2)
    assert said[-1] == "Gave up after 60 s"
    assert len(said) == 4  # every half minute, and the end
