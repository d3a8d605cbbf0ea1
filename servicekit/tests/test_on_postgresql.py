"""Only on PostgreSQL: the pool that each process has."""

import threading
import time

import pytest
from django.db import OperationalError, connection

from servicekit import answers
from servicekit.tests.models import Sample
from servicekit.tests.sessions import Threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool_of_two() -> None:
    pool = connection.settings_dict["OPTIONS"]["pool"]
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"]["pool"] = {**pool, "max_size": 2, "timeout": 0.2}
    yield
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"]["pool"] = pool


def test_a_pool_that_has_nothing_left_asks_for_patience(pool_of_two: None) -> None:
    """After a short wait, not an endless one; and as soon as one is given back it goes on."""
    have_one, may_go = threading.Barrier(3), threading.Event()

    def hold() -> None:
        Sample.objects.count()
        have_one.wait(10)
        may_go.wait(10)

    connection.close()
    with Threads() as threads:
        holding = [threads.start(hold) for _ in range(2)]
        have_one.wait(10)
        started = time.monotonic()
        with pytest.raises(OperationalError) as raised:
            threads.start(Sample.objects.count).result()
        assert time.monotonic() - started < 2
        may_go.set()
        for each in holding:
            each.result()
        assert threads.start(Sample.objects.count).result() == 0
    answer = answers.answer_for(raised.value)
    assert (answer.status, answer.headers) == (503, {"Retry-After": "1"})
