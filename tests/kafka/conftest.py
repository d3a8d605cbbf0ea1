"""The tests against a real broker, which they kill, freeze and start again: `make test-kafka` starts one for them.

Without that there is nothing to collect here; the plain `make test` has librdkafka's mock cluster.
"""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.kafka.broker import Broker

collect_ignore_glob: Final[list[str]] = [] if "KAFKA_FOLDER" in os.environ else ["test_*.py"]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """It runs again when the test is over."""
    running = Broker()
    yield running
    running.start()
    running.thaw()
