"""Services that say what a test has them say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401


@pytest.fixture
def said() -> Iterator[Callable[..., None]]:
    """What a service answers to a GET; whatever else is asked finds nobody."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def answer(url: str, body: Any, status: int = 200) -> None:
            mock.get(url, json=body, status=status)

        yield answer
