"""Services that say what a test has them say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from django.test import Client

from console.pages import services
from console.tests.peers import ORDERS, PAYMENTS, PRODUCTS
from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401


@pytest.fixture
def said() -> Iterator[Callable[..., None]]:
    """What a service answers to a GET; whatever else is asked finds nobody."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def answer(url: str, body: Any, status: int = 200) -> None:
            mock.get(url, json=body, status=status)

        yield answer


@pytest.fixture
def client() -> Client:
    """A browser that is shown a page for a defect, as any other is."""
    return Client(raise_request_exception=False)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[responses.RequestsMock]:
    """Services that know nothing until a test says what they know; whatever else they are asked for finds nobody."""
    for cached in (services.looking, services.acting):
        cached.cache_clear()
    for name, url in (("ORDER", ORDERS), ("PAYMENT", PAYMENTS), ("PRODUCT", PRODUCTS)):
        monkeypatch.setattr(f"django.conf.settings.{name}_SERVICE_URL", f"{url}/api/x/", raising=False)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
    for cached in (services.looking, services.acting):
        cached.cache_clear()
