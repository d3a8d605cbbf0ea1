"""The order service as seen from here, over HTTP."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests
import responses

from payment_service.payments.clients.orders import OrderSeen, RestOrders
from payment_service.payments.errors import OrderServiceUnavailable
from payment_service.tests.conftest import ORDER
from servicekit.http import HttpClient

URL = "http://orders.test/api/orders/"
ORDER_JSON = f'{{"id": "{ORDER}", "number": 7, "status": "PENDING", "total_amount": 199.99, "currency": "EUR"}}'


@pytest.fixture
def peer() -> Iterator[responses.RequestsMock]:
    """The order service, standing in for our own way over plain HTTP."""
    with responses.RequestsMock(assert_all_requests_are_fired=True, target="servicekit.transport.OnePeer.send") as mock:
        yield mock


@pytest.fixture
def client() -> RestOrders:
    http = HttpClient(URL, connect_timeout_s=1, read_timeout_s=1, sleep=lambda _: None)
    return RestOrders(http, deadline_s=5)


def test_an_order_is_found(peer: responses.RequestsMock, client: RestOrders) -> None:
    """Its amount is exact."""
    peer.get(f"{URL}7/", body=ORDER_JSON)
    assert client.find("7") == OrderSeen(ORDER, "PENDING", Decimal("199.99"), "EUR")


def test_an_order_is_not_there(peer: responses.RequestsMock, client: RestOrders) -> None:
    """404 is an answer."""
    peer.get(f"{URL}7/", status=404, json={"error": "Order not found"})
    assert client.find("7") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "oops"), (503, "{}"), (400, "{}"), (200, "[]"), (200, "{}"), (200, '{"id": "x"}'), (200, "<html>")],
)
def test_what_is_no_answer_is_an_outage(
    peer: responses.RequestsMock, client: RestOrders, status: int, body: str
) -> None:
    """Nothing is charged on the strength of nonsense."""
    peer.get(f"{URL}7/", status=status, body=body)
    with pytest.raises(OrderServiceUnavailable):
        client.find("7")


def test_a_question_is_asked_three_times(peer: responses.RequestsMock, client: RestOrders) -> None:
    """A short outage is waited out."""
    peer.get(f"{URL}7/", body=requests.ConnectionError("refused"))
    peer.get(f"{URL}7/", status=503)
    peer.get(f"{URL}7/", body=ORDER_JSON)
    assert client.find("7") is not None


@pytest.mark.parametrize(("status", "has_heard"), [(200, True), (404, True), (409, False), (500, False), (429, False)])
def test_telling(peer: responses.RequestsMock, client: RestOrders, status: int, has_heard: bool) -> None:
    """An order that it does not know needs no telling; anything else is told again later."""
    peer.post(f"{URL}{ORDER}/payment/", status=status, json={})
    assert client.look_again(ORDER) is has_heard


def test_telling_nobody(peer: responses.RequestsMock, client: RestOrders) -> None:
    """No connection: not heard."""
    peer.post(f"{URL}{ORDER}/payment/", body=requests.ConnectionError("refused"))
    assert client.look_again(ORDER) is False
