"""Only on PostgreSQL: the pool that each process has."""

import re
import threading
import time
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connection

from servicekit.tests.models import Sample
from servicekit.tests.sessions import Threads, close_pool
from servicekit.web import error_responses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool_of_two() -> Iterator[None]:
    pool = connection.settings_dict["OPTIONS"]["pool"]
    connection.close()
    close_pool()
    connection.settings_dict["OPTIONS"]["pool"] = {**pool, "max_size": 2, "timeout": 0.2}
    yield
    connection.close()
    close_pool()
    connection.settings_dict["OPTIONS"]["pool"] = pool


def test_a_pool_that_has_nothing_left_asks_for_patience(pool_of_two: None) -> None:
    """After a short wait, not an endless one; and as soon as one is given back it goes on."""
    have_one, may_go = threading.Barrier(3), threading.Event()

    def hold() -> None:
        Sample.objects.count()
        have_one.wait(60)
        may_go.wait(60)

    connection.close()
    with Threads() as threads:
        holding = [threads.start(hold) for _ in range(2)]
        have_one.wait(60)
        started = time.monotonic()
        with pytest.raises(OperationalError) as raised:
            threads.start(Sample.objects.count).result()
        assert time.monotonic() - started < 2
        may_go.set()
        for each in holding:
            each.result()
        assert threads.start(Sample.objects.count).result() == 0
    answer = error_responses.answer_for(raised.value)
    assert (answer.status, answer.headers) == (503, {"Retry-After": "1"})


@pytest.fixture
def another_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty one in no particular encoding, and the connection is to it."""
    name = f"{connection.settings_dict['NAME']}_ascii"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    connection.close()
    close_pool()
    monkeypatch.setitem(connection.settings_dict, "NAME", name)
    yield name
    connection.close()
    close_pool()
    monkeypatch.undo()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


def test_a_database_in_another_encoding_is_refused(another_database: str) -> None:
    """At `check`, and at `migrate` before the first table: it would be a crash at the first name with an accent."""
    sentence = f"The database {another_database} is in the encoding SQL_ASCII; it must be in UTF-8."
    assert [message.msg for message in run_checks() if message.id == "storage.E001"] == [sentence]
    with pytest.raises(SystemCheckError, match=re.escape(sentence)):
        call_command("migrate", skip_checks=False, verbosity=0)
    assert connection.introspection.table_names() == []


def test_one_in_utf_8_is_not() -> None:
    """Nor is anything else amiss with it."""
    assert [message.id for message in run_checks() if str(message.id).startswith("storage.")] == []


def test_limits_that_only_the_role_can_have_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a pooler of transactions: whatever nobody limits is named."""
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    assert [message.id for message in run_checks() if message.id == "storage.W001"] == []
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")
    (said,) = [message for message in run_checks() if message.id == "storage.W001"]
    close_pool()
    assert (
        said.msg == f"With DB_TRANSACTION_POOLING nothing limits lock_timeout for {connection.settings_dict['USER']}."
    )
