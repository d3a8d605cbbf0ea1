"""What a payment's gateway was asked for, what waits for a person, and taking that up, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from payment_service.payments.models import Payment, Refund
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.tests.conftest import ORDER, asked, exact
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db
PAYMENT = "/api/v1/payments/payment/{}/{}/"


def get(client: APIClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return exact(answer)


@pytest.fixture
def blocked(client: APIClient, gateway: FakeGateway) -> Payment:
    """A paid order is to be voided, and its gateway says: never."""
    charging.charge_payment(asked("50.00"))
    gateway.script = ["refuse"]
    return repair.void_payment(ORDER).payment


def test_what_is_blocked_is_listed(client: APIClient, blocked: Payment) -> None:
    """With what is held, why and since when; nothing else is."""
    charging.charge_payment(asked("9.00", order_id="7"))
    found = get(client, "/api/v1/payments/blocked/")
    (row,) = found["items"]
    assert (found["total"], row["payment_id"], row["order_id"], str(row["amount"])) == (
        1,
        blocked.number,
        ORDER,
        "50.00",
    )
    assert (row["blocked"]["operation"], row["blocked"]["reason"]) == ("refund", "The charge is disputed")


def test_what_is_taken_up_is_tried_again(
    client: APIClient, blocked: Payment, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """By the worker, in the same refund; a second time there is nothing to take up."""
    path = PAYMENT.format(blocked.number, "take-up")
    answer = client.post(path)
    assert (answer.status_code, exact(answer)["blocked"]) == (202, None)
    work()
    assert (Payment.objects.get().status, Refund.objects.count()) == ("REFUNDED", 1)
    again = client.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "payment_not_blocked")
    events = get(client, PAYMENT.format(blocked.uid, "events"))["items"]
    assert [each["type"] for each in events][-2:] == ["payment.taken_up", "payment.refunded"]
    assert events[-2]["actor"] == "anonymous"
    assert events[-2]["data"]["by"] == "anonymous"


def test_every_call_of_the_gateway_is_shown_with_its_key(client: APIClient, gateway: FakeGateway) -> None:
    """The keys that the gateway has really been given."""
    payment = charging.charge_payment(asked("50.00", capture=False)).payment
    payment = capturing.capture_payment(payment, amount=None)
    refunding.refund_payment(payment, uid=payment.uid, amount=None, reason="", refuses_twin=False)
    found = get(client, PAYMENT.format(payment.number, "progress"))
    assert [each["operation"] for each in found["calls"]] == ["charge", "capture", "refund"]
    assert [each["key"] for each in found["calls"]] == [call.key for call in gateway.calls]
    assert {bool(each["violations"]) for each in found["invariants"]} == {False}
    assert (found["gateway"], found["due_at"]) == ("fake", None)


def test_a_failed_attempt_has_a_key_of_its_own(client: APIClient, gateway: FakeGateway) -> None:
    """One for each attempt; the decline's code stands beside them."""
    gateway.script = ["decline"]
    charging.charge_payment(asked("50.00"))
    payment = charging.charge_payment(asked("50.00")).payment
    found = get(client, PAYMENT.format(payment.uid, "progress"))
    assert [each["key"] for each in found["calls"]] == [f"order-{ORDER}-pay-1", f"order-{ORDER}-pay-2"]


@pytest.mark.parametrize("what", ["events", "progress", "take-up"])
def test_an_unknown_payment_is_404(client: APIClient, what: str) -> None:
    """Whatever stands in its place."""
    for payment_id in ("4711", "x", ORDER):
        path = PAYMENT.format(payment_id, what)
        assert (client.post(path) if what == "take-up" else client.get(path)).status_code == 404
