"""The tests with validators and generators of other families: `make test-openapi` installs those for them.

Without that there is nothing to collect here; `test_openapi_for_ordinary_tools.py` needs none.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.stack import Stack

collect_ignore_glob: Final[list[str]] = [] if "OPENAPI_TOOLS" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def tools() -> Path:
    """Where they are installed."""
    return Path(os.environ["OPENAPI_TOOLS"])


@pytest.fixture(scope="module")
def live(make_module_stack: Callable[..., Stack]) -> Stack:
    """The three services, for the module's tests alone."""
    return make_module_stack()
