"""A gateway that knows nothing of slots keeps nobody from working, however long it takes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from payment_service.tests.servers import serving
from payment_service.tests.test_on_a_server import call
from servicekit import exactjson


@pytest.fixture
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose cards go to the new gateway; on SQLite with one slot, as it comes."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "payment_service.tests.one_more_gateway.settings",
        "PAYMENT_GATEWAYS": "CARD=meeting",
        # However slow this machine is.
        "PAYMENT_LEASE_S": "120",
    }
    with serving(tmp_path_factory.mktemp("server"), **settings) as url:
        yield url


def test_eight_wait_for_a_gateway_and_four_do_not(base_url: str) -> None:
    """All twelve are paid: the eight are answered only once all of them have been let through to it."""

    def pay(method: str) -> tuple[int, str]:
        body = {"order_id": str(uuid4()), "amount": 50, "method": method}
        status, answer = call("POST", f"{base_url}/api/payments/", body)
        return status, exactjson.decode(answer)["status"]

    with ThreadPoolExecutor(12) as clients:
        assert list(clients.map(pay, ["CARD"] * 8 + ["DIRECT"] * 4)) == [(201, "COMPLETED")] * 12
