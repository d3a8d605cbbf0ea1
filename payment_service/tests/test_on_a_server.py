"""The service as it runs: a real server on a free port with its own database, many clients at once."""

import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from payment_service.tests.servers import serving
from servicekit import exactjson

# How often a request is sent again that found the server overloaded, and after how long: three minutes in all.
TRIES = 360
PAUSE_S = 0.5


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over an empty database."""
    with serving(tmp_path_factory.mktemp("server"), GATEWAY_DELAY_MS="1-5") as url:
        yield url


def call(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    data = None if body is None else exactjson.encode(body)
    names = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, data=data, method=method, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=180) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def insist(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """The answer to a request that is sent again while the server is overloaded: 503 says that nothing was done."""
    for _ in range(TRIES):
        status, answer = call(method, url, body, **headers)
        if status != 503 or exactjson.decode(answer)["code"] != "overloaded":
            break
        time.sleep(PAUSE_S)
    return status, answer


@pytest.mark.parametrize("keyed", [False, True])
def test_thirty_payments_for_one_order_at_once(base_url: str, keyed: bool) -> None:
    """One COMPLETED payment: one 201, and every answer has the same body."""
    order_id = str(uuid4())

    def pay(number: int) -> tuple[int, bytes]:
        key = {"Idempotency_Key": f"order-{order_id}-pay-{number}"} if keyed else {}
        return insist("POST", f"{base_url}/api/payments/", {"order_id": order_id, "amount": 50}, **key)

    with ThreadPoolExecutor(30) as clients:
        answers = list(clients.map(pay, range(30)))
    assert Counter(status for status, _ in answers) == {201: 1, 200: 29}
    bodies = {body for _, body in answers}
    assert len(bodies) == 1
    assert exactjson.decode(bodies.pop())["status"] == "COMPLETED"


def test_thirty_requests_with_one_key_at_once(base_url: str) -> None:
    """All get the first answer, or are told that it is still running; nothing runs twice."""
    order_id = str(uuid4())
    body = {"order_id": order_id, "amount": 50}

    def pay(_: int) -> tuple[int, bytes]:
        return insist("POST", f"{base_url}/api/payments/", body, Idempotency_Key=f"order-{order_id}-pay-1")

    with ThreadPoolExecutor(30) as clients:
        answers = list(clients.map(pay, range(30)))
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert len({body for status, body in answers if status == 201}) == 1
    assert all(exactjson.decode(body)["code"] == "idempotency_key_in_use" for status, body in answers if status == 409)


def test_charges_and_voids_of_one_order_at_once(base_url: str) -> None:
    """Whoever comes first: in the end no money is held, and a later charge is refused."""
    order_id = str(uuid4())
    charge = ("POST", f"{base_url}/api/payments/", {"order_id": order_id, "amount": 50})
    void = ("POST", f"{base_url}/api/payments/{order_id}/void/", None)
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda request: insist(*request), [charge, void] * 10))
    # 202: another request is carrying the void out at this moment.
    assert {status for status, _ in answers} <= {200, 201, 202, 409}
    assert exactjson.decode(call(*void)[1])["status"] in ("VOIDED", "REFUNDED")
    assert call(*charge)[0] == 409


def test_eight_clients_pay_for_many_orders(base_url: str) -> None:
    """No error, nothing lost, nothing twice; never "database is locked"."""
    orders = [str(uuid4()) for _ in range(200)]

    def pay(order_id: str) -> int:
        return insist("POST", f"{base_url}/api/payments/", {"order_id": order_id, "amount": 50})[0]

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(pay, orders)) == {201}
        read = clients.map(lambda order_id: insist("GET", f"{base_url}/api/payments/{order_id}/")[1], orders)
        assert {exactjson.decode(body)["status"] for body in read} == {"COMPLETED"}


def test_fifty_refunds_at_once_never_pay_out_too_much(base_url: str) -> None:
    """Each over 60 % of the payment: one gets through, the others are refused."""
    order_id = str(uuid4())
    payment = {"order_id": order_id, "amount": 100, "method": "CARD", "payment_method_details": {"token": "tok_ok"}}
    assert exactjson.decode(call("POST", f"{base_url}/api/payments/", payment)[1])["status"] == "COMPLETED"
    record = exactjson.decode(call("GET", f"{base_url}/api/v1/payments/order/{order_id}")[1])
    refund = {"transaction_id": record["transaction_id"], "amount": 60}
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda _: insist("POST", f"{base_url}/api/v1/payments/refund", refund), range(50)))
    # 409: the same one is on its way at that moment.
    assert Counter(200 if status == 200 else "refused" for status, _ in answers) == {200: 1, "refused": 49}
    assert {status for status, _ in answers} <= {200, 400, 409}
    record = exactjson.decode(call("GET", f"{base_url}/api/v1/payments/order/{order_id}")[1])
    assert (record["status"], [each["amount"] for each in record["refunds"]]) == ("partially_refunded", [60])
