"""Fixtures of the fault tests; those of the stack come from the folder above, `result_log` with them."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests import databases
from tests.faults.checking import Checker, checking
from tests.stack import Stack

# A file that is full, locked or gone is SQLite's; row locks, deadlocks and a server that dies are the others'.
collect_ignore: Final = (
    ["test_storage.py", "test_storage_alone.py"] if databases.IS_SERVER else ["test_engine_faults.py", "test_clocks.py"]
)


@pytest.fixture(scope="module")
def sound(make_module_stack: Callable[..., Stack], request: pytest.FixtureRequest) -> Stack:
    """One stack, by the module's `SETTINGS`, for every fault that ends: no process is started again in between."""
    stack = make_module_stack(settings=request.module.SETTINGS)
    stack.start_workers()
    return stack


@pytest.fixture(scope="module")
def checker(sound: Stack) -> Iterator[Checker]:
    """Of that stack."""
    with checking(sound) as checker:
        yield checker
