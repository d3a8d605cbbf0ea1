"""What the gate leaves to the night, when there is time: `NIGHTLY=1` runs it, too.

The gate runs every test but those that are marked `nightly`, with examples that are the same each time; on a database
server those tests of a service that use the database. Each suite's conftest.py takes its hooks from here.
"""

import os
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from hypothesis import settings

IS_NIGHT: Final = os.environ.get("NIGHTLY") == "1"
_ON_A_SERVER: Final = bool(os.environ.get("DB_ENGINE"))
_DATABASE: Final = frozenset({"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"})


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nightly: not in the gate; NIGHTLY=1 runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselected, not skipped: a skipped test is one that somebody must look after."""
    if IS_NIGHT:
        return
    left = [item for item in items if item.get_closest_marker("nightly") or not _can_differ(config, item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def _can_differ(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the test may end otherwise on this engine than on SQLite, where all of them run."""
    if not _ON_A_SERVER or not config.pluginmanager.has_plugin("django"):
        return True
    uses = _DATABASE & set(getattr(item, "fixturenames", ()))
    return bool(uses or item.get_closest_marker("django_db")) or item.path.stem in _OF_ENGINES


# Of a service's suite, what looks at the engine without a database of the test's own.
_OF_ENGINES: Final = frozenset({"test_on_servers", "test_on_postgresql"})


def examples(gate: int, *, night: int | None = None, **more: Any) -> "settings":
    """Hypothesis' settings for a test: so many examples, of its own choice by night and always the same in the gate."""
    from hypothesis import settings  # noqa: PLC0415  # half of the suites do without it

    count = (night or 10 * gate) if IS_NIGHT else gate
    return settings(max_examples=count, derandomize=not IS_NIGHT, deadline=None, **more)
