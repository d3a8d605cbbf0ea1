"""Fixtures: one stack that all ordinary tests share, and a factory for those that break things."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import nightly
from tests import stack as stacks
from tests.stack import Stack

_RUNNING: list[Stack] = []
pytest_collection_modifyitems = nightly.pytest_collection_modifyitems


def pytest_configure(config: pytest.Config) -> None:
    """Let every test here tell of the faults that it puts in."""
    nightly.pytest_configure(config)
    config.pluginmanager.import_plugin("tests.faults.result_log")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty databases to copy from."""
    folder = tmp_path_factory.mktemp("migrated")
    stacks.migrate(folder)
    yield folder
    stacks.forget(folder)


@pytest.fixture(scope="session")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The three services as they are delivered, without workers. Shared, so nothing in it is stopped or starved."""

    def from_nothing(stack: Stack) -> None:
        for service in stack.services.values():
            service.begin = stacks.begin_from_nothing

    with _running(migrated, tmp_path_factory.mktemp("stack"), prepare=from_nothing) as running:
        yield running


@pytest.fixture
def make_stack(migrated: Path, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """A function that starts a stack for this test alone; its arguments are those of `stacks.running_stack`."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(_running(migrated, tmp_path, **options))


@pytest.fixture(scope="module")
def make_module_stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stack]]:
    """Like `make_stack`, for a stack that all tests of a module share."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(
            _running(migrated, tmp_path_factory.mktemp("module-stack"), **options)
        )


@contextmanager
def _running(template: Path, folder: Path, **options: Any) -> Iterator[Stack]:
    with stacks.running_stack(template, folder, **options) as running:
        _RUNNING.append(running)
        yield running
        _RUNNING.remove(running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the services had to say, where a test failed."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {name}", text) for stack in _RUNNING for name, text in stack.logs()]
    return report
