"""A snapshot is of one moment and keeps nobody waiting; going through rows sees each once."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from servicekit.events.models import Event
from servicekit.invariants import snapshot
from servicekit.tests.sessions import fetch


def make(number: int) -> None:
    Event.objects.create(aggregatetype="thing", aggregateid=str(number), sequence=1, type="made", payload="{}")


def mode() -> Any:
    """In which transactions begin."""
    if connection.vendor == "sqlite":
        sqlite: Any = connection
        sqlite.ensure_connection()
        return sqlite.transaction_mode
    names = {"postgresql": "SHOW transaction_isolation", "mysql": "SHOW SESSION VARIABLES LIKE '%isolation'"}
    return fetch(names)


@pytest.mark.django_db(transaction=True)
def test_what_is_written_meanwhile_is_not_seen_and_not_kept_waiting() -> None:
    """A writer commits while the snapshot is open; the snapshot goes on showing the moment of its first read."""

    def write() -> None:
        make(2)
        connection.close()

    make(1)
    with snapshot.snapshot():
        assert Event.objects.count() == 1
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(300)
        assert not writer.is_alive()
        assert Event.objects.count() == 1
    assert Event.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_writing_goes_on_as_before_after_it() -> None:
    """SQLite's write lock is taken at once again, which is what makes writers queue; the others are not read-only."""
    before = mode()
    assert connection.vendor != "sqlite" or before == "IMMEDIATE"
    with snapshot.snapshot():
        assert Event.objects.count() == 0
    assert mode() == before
    with transaction.atomic():
        make(1)


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5])
def test_every_row_is_seen_once(rows: int) -> None:
    """In batches, whatever their size."""
    for number in range(rows):
        make(number)
    batches = list(
        snapshot.in_batches(Event.objects.all(), lambda some: [event.aggregateid for event in some], batch=2)
    )
    assert [each for batch in batches for each in batch] == [str(number) for number in range(rows)]
    assert all(len(batch) <= 2 for batch in batches)
