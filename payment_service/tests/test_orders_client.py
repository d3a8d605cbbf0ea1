"""The order service as seen from here, over HTTP."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests
import responses
from structlog.testing import capture_logs

from payment_service.payments.clients.orders import OrderSeen, RestOrders
from payment_service.payments.errors import OrderServiceUnavailable
from payment_service.tests.conftest import ORDER
from servicekit.tests.peers import client_that_never_waits, scripted_peer

URL = "http://orders.test/api/orders/"
ORDER_JSON = f'{{"id": "{ORDER}", "number": 7, "status": "PENDING", "total_amount": 199.99, "currency": "EUR"}}'


@pytest.fixture
def peer() -> Iterator[responses.RequestsMock]:
    """The order service."""
    with scripted_peer() as mock:
        yield mock


@pytest.fixture
def client() -> RestOrders:
    return RestOrders(client_that_never_waits(URL), deadline_s=5)


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
    [
        (500, "oops"), (503, "{}"), (400, "{}"), (200, "[]"), (200, "{}"), (200, '{"id": "x"}'), (200, "<html>"),
        (404, "<html>"), (404, '{"error": "Not found", "code": "not_found"}'), (404, '{"detail": "Not Found"}'),
        (404, "[]"), (301, ""), (302, "<html>"), (204, ""), (401, "{}"), (403, "{}"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_outage(
    peer: responses.RequestsMock, client: RestOrders, status: int, body: str
) -> None:
    """Nothing is charged on the strength of nonsense, and nobody is told that there is no such order."""
    peer.get(f"{URL}7/", status=status, body=body)
    with pytest.raises(OrderServiceUnavailable):
        client.find("7")


@pytest.mark.parametrize(
    "change",
    [
        {"number": 8}, {"number": "7"}, {"number": True}, {"number": None}, {"id": 8}, {"id": True}, {"id": None},
        {"id": "7"}, {"status": None}, {"status": 7}, {"total_amount": True}, {"total_amount": "5_0"},
        {"total_amount": -5}, {"total_amount": None}, {"total_amount": 10**11}, {"total_amount": "\u0665"},
        {"total_amount": 1.005}, {"currency": None}, {"currency": "eur"}, {"currency": "XXX"}, {"currency": "JPY"},
    ],
)  # fmt: skip
def test_another_order_than_was_asked_for_is_none(
    peer: responses.RequestsMock, client: RestOrders, change: dict[str, object]
) -> None:
    """Its number, a total that fits its currency, all of the right type; else it stands in the log."""
    peer.get(f"{URL}7/", json={**json.loads(ORDER_JSON), **change})
    with capture_logs() as lines, pytest.raises(OrderServiceUnavailable):
        client.find("7")
    (line,) = [line for line in lines if line["event"] == "http.unusable_answer"]
    assert (line["log_level"], line["url"], line["status"]) == ("error", f"{URL}7/?live=false", 200)


def test_an_order_is_held_against_the_id_that_was_asked_for(peer: responses.RequestsMock, client: RestOrders) -> None:
    """Another id's order is another order, whatever its number."""
    another = "7d1f6a0e-0000-4000-8000-000000000000"
    peer.get(f"{URL}{ORDER}/", body=ORDER_JSON)
    peer.get(f"{URL}{another}/", body=ORDER_JSON)
    assert client.find(ORDER) == OrderSeen(ORDER, "PENDING", Decimal("199.99"), "EUR")
    with pytest.raises(OrderServiceUnavailable):
        client.find(another)


def test_an_order_service_may_have_numbers_alone(peer: responses.RequestsMock, client: RestOrders) -> None:
    """Then the number is the id."""
    peer.get(f"{URL}7/", json={**json.loads(ORDER_JSON), "id": 7, "number": None})
    assert client.find("7") == OrderSeen("7", "PENDING", Decimal("199.99"), "EUR")


def test_a_question_is_asked_three_times(peer: responses.RequestsMock, client: RestOrders) -> None:
    """A short outage is waited out."""
    peer.get(f"{URL}7/", body=requests.ConnectionError("refused"))
    peer.get(f"{URL}7/", status=503)
    peer.get(f"{URL}7/", body=ORDER_JSON)
    assert client.find("7") is not None


@pytest.mark.parametrize(
    ("status", "has_heard"),
    [(200, True), (404, True), (409, False), (500, False), (429, False), (401, False), (403, False)],
)
def test_telling(peer: responses.RequestsMock, client: RestOrders, status: int, has_heard: bool) -> None:
    """An order that it does not know needs no telling; anything else is told again later."""
    peer.post(f"{URL}{ORDER}/payment/", status=status, json={})
    assert client.look_again(ORDER) is has_heard


@pytest.mark.parametrize(
    ("status", "body"), [(404, '{"code": "not_found"}'), (404, "<html>"), (405, "{}"), (301, ""), (200, "<html>")]
)
def test_telling_at_a_wrong_address_is_not_heard_and_stands_in_the_log(
    peer: responses.RequestsMock, client: RestOrders, status: int, body: str
) -> None:
    """It is told again later, and whoever reads the log sees why."""
    peer.post(f"{URL}{ORDER}/payment/", status=status, body=body)
    with capture_logs() as lines:
        assert client.look_again(ORDER) is False
    (line,) = [line for line in lines if line["event"] == "http.unusable_answer"]
    assert (line["log_level"], line["url"], line["status"]) == ("error", f"{URL}{ORDER}/payment/", status)


def test_telling_nobody(peer: responses.RequestsMock, client: RestOrders) -> None:
    """No connection: not heard."""
    peer.post(f"{URL}{ORDER}/payment/", body=requests.ConnectionError("refused"))
    assert client.look_again(ORDER) is False
