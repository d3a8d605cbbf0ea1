"""One number per payment: every door shows the same amount, before and after a part of it is taken or given back."""

from decimal import Decimal
from typing import Any, Final

import pytest
from rest_framework.test import APIClient

from payment_service.payments.models import Payment
from payment_service.tests.conftest import ORDER, exact
from payment_service.tests.fakes import FakeGateway

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("gateway")]

D: Final = "/api/v1/payments"


def step(client: APIClient, name: str, **body: Any) -> Any:
    return exact(client.post(f"{D}/{name}", body, format="json"))


def process(client: APIClient, **more: Any) -> str:
    body = {"order_id": ORDER, "amount": 100, "currency": "USD", "payment_method": "credit_card", **more}
    found: str = step(client, "process", **body)["transaction_id"]
    return found


def shown(client: APIClient) -> list[tuple[str, ...]]:
    """(amount, authorized, refunded) at `charges` and `process`, after the amount at `payments`; all say the same."""
    (item,) = exact(client.get("/v1/payments", {"order_id": ORDER}))["items"]
    record = exact(client.get(f"{D}/order/{ORDER}"))
    first = exact(client.get(f"/api/payments/{ORDER}/"))
    told = [tuple(each[f"{name}amount"] for name in ("", "authorized_", "refunded_")) for each in (item, record)]
    return [(str(first["amount"]),), *(tuple(map(str, each)) for each in told)]


def all_say(amount: str, authorized: str, refunded: str) -> list[tuple[str, ...]]:
    return [(amount,), *[(amount, authorized, refunded)] * 2]


def test_a_capture_of_a_part(client: APIClient) -> None:
    """What is set aside, until it is taken; then what was taken, also after some of it went back."""
    transaction_id = process(client, capture=False)
    assert shown(client) == all_say("100.00", "100.00", "0.00")
    step(client, "capture", transaction_id=transaction_id, amount=30)
    assert shown(client) == all_say("30.00", "100.00", "0.00")
    step(client, "refund", transaction_id=transaction_id, amount=10)
    assert shown(client) == all_say("30.00", "100.00", "10.00")
    step(client, "refund", transaction_id=transaction_id)
    assert shown(client) == all_say("30.00", "100.00", "30.00")


def test_a_charge_of_all(client: APIClient) -> None:
    """Taken as it was asked for."""
    process(client)
    assert shown(client) == all_say("100.00", "100.00", "0.00")


@pytest.mark.parametrize(
    ("script", "status"), [("decline", "FAILED"), ("unavailable", "FAILED"), ("lost", "PROCESSING")]
)
def test_what_nobody_agreed_to(client: APIClient, gateway: FakeGateway, script: str, status: str) -> None:
    """The amount is what is asked for, and nothing is authorized."""
    gateway.script = [script]
    step(client, "process", order_id=ORDER, amount=100, currency="USD", payment_method="credit_card")
    gateway.is_down = True  # nobody finds out while it is looked at
    assert Payment.objects.get().status == status
    assert shown(client) == all_say("100.00", "0.00", "0.00")


def test_what_was_set_aside_and_released(client: APIClient) -> None:
    """It had been agreed to."""
    step(client, "void", transaction_id=process(client, capture=False))
    assert shown(client) == all_say("100.00", "100.00", "0.00")


def test_the_list_is_filtered_by_what_it_shows(client: APIClient) -> None:
    """30.00 of 100.00 taken is 30.00."""
    step(client, "capture", transaction_id=process(client, capture=False), amount=30)
    for query, total in (({"amount_gt": "50"}, 0), ({"amount_lt": "50"}, 1), ({"amount_gt": "29.99"}, 1)):
        assert exact(client.get("/v1/payments", query))["total"] == total


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/api/payments/", {"method": "CARD"}, 200),
        ("/v1/payments/charge", {}, 200),
        (f"{D}/process", {"currency": "USD", "payment_method": "credit_card"}, 200),
    ],
)
def test_a_repeat_asks_for_what_was_asked_for_first(
    client: APIClient, path: str, more: dict[str, Any], status: int
) -> None:
    """Also after a part was taken, and a part of that given back; what was taken is another amount, and refused."""
    transaction_id = process(client, capture=False)
    step(client, "capture", transaction_id=transaction_id, amount=30)
    step(client, "refund", transaction_id=transaction_id, amount=10)
    number = Payment.objects.get().number
    again = client.post(path, {"order_id": ORDER, "amount": 100, **more}, format="json")
    other = client.post(path, {"order_id": ORDER, "amount": 30, **more}, format="json")
    assert (again.status_code, other.status_code) == (status, 409)
    assert exact(other)["amount"] == Decimal("100.00")
    assert (Payment.objects.get().number, Payment.objects.get().captured) == (number, 30)
