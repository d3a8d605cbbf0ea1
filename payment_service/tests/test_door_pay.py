"""`POST /pay`: an order of the order service is paid, once, and the order service is told."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from payment_service.payments.clients.orders import OrderSeen
from payment_service.payments.models import Payment
from payment_service.payments.use_cases import notices, refunding
from payment_service.tests.conftest import ORDER, exact, trail
from payment_service.tests.fakes import FakeGateway, FakeOrders

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def order(orders: FakeOrders) -> OrderSeen:
    """Order 123 waits for 199.99; it is known by number and by id."""
    seen = OrderSeen(ORDER, "PENDING", Decimal("199.99"), "EUR")
    orders.orders = {"123": seen, ORDER: seen}
    return seen


def pay(client: APIClient, body: Any, **headers: Any) -> Any:
    return client.post("/pay", body, format="json", **headers)


def test_an_order_is_paid(client: APIClient, orders: FakeOrders) -> None:
    """The seed's example; the order service is told at once."""
    response = client.post("/pay", '{"order_id": 123, "amount": 199.99}', content_type="application/json")
    payment = Payment.objects.get()
    assert response.status_code == 200
    assert exact(response) == {"message": "Payment successful", "order_id": 123, "payment_id": payment.number}
    assert (payment.order_id, payment.currency, payment.captured) == (ORDER, "EUR", Decimal("199.99"))
    assert (orders.told, payment.notice_due_at) == ([ORDER], None)


@pytest.mark.parametrize("order_id", [123, ORDER, ORDER.upper()])
def test_number_and_id_name_the_same_payment(client: APIClient, order_id: Any) -> None:
    """The answer has the id as it was given; the ledger has one payment."""
    pay(client, {"order_id": 123, "amount": "199.99"})
    response = pay(client, {"order_id": order_id, "amount": "199.99"})
    assert (response.status_code, exact(response)["payment_id"]) == (200, Payment.objects.get().number)
    assert exact(client.get(f"/api/payments/{ORDER}/"))["status"] == "COMPLETED"


def test_an_unknown_order(client: APIClient) -> None:
    """404 in the seed's words, nothing charged."""
    response = pay(client, {"order_id": 124, "amount": 5})
    assert (response.status_code, exact(response)["error"]) == (404, "Order not found")
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("status", ["PAID", "CANCELLED", "REFUNDED"])
def test_an_order_that_does_not_wait_for_its_payment(client: APIClient, orders: FakeOrders, status: str) -> None:
    """400 with the status in small letters, nothing charged."""
    orders.orders["123"] = OrderSeen(ORDER, status, Decimal("199.99"), "EUR")
    response = pay(client, {"order_id": 123, "amount": "199.99"})
    assert response.status_code == 400
    assert exact(response)["error"] == f"Order status is '{status.lower()}', cannot pay"
    assert Payment.objects.count() == 0


def test_a_request_that_died_once_it_had_charged_is_told_so_when_it_is_repeated(
    client: APIClient, orders: FakeOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is PAID by then, by this very request: 200, where another one is refused."""

    def dies(_: Payment) -> None:
        raise RuntimeError("killed")

    client.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr(notices, "send_now", dies)
        assert pay(client, {"order_id": 123, "amount": "199.99"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 500
    orders.orders["123"] = OrderSeen(ORDER, "PAID", Decimal("199.99"), "EUR")
    again = pay(client, {"order_id": 123, "amount": "199.99"}, HTTP_IDEMPOTENCY_KEY="k")
    assert (again.status_code, exact(again)["payment_id"]) == (200, Payment.objects.get().number)
    assert pay(client, {"order_id": 123, "amount": "199.99"}, HTTP_IDEMPOTENCY_KEY="k2").status_code == 400


def set_aside(client: APIClient) -> str:
    """Another client has the order's total set aside; its transaction."""
    body = {"order_id": ORDER, "amount": "199.99", "currency": "EUR", "payment_method": "credit_card", "capture": False}
    return str(exact(client.post("/api/v1/payments/process", body, format="json"))["transaction_id"])


def move(client: APIClient, step: str, transaction_id: str, **more: Any) -> None:
    body = {"transaction_id": transaction_id, **more}
    assert exact(client.post(f"/api/v1/payments/{step}", body, format="json"))["success"] is True


def refusal(client: APIClient) -> tuple[int, str]:
    response = pay(client, {"order_id": 123, "amount": "199.99"})
    return response.status_code, exact(response)["code"]


def test_what_is_only_set_aside_pays_no_order(client: APIClient, gateway: FakeGateway, orders: FakeOrders) -> None:
    """409 until it is captured, 200 then; nothing more is charged."""
    transaction_id = set_aside(client)
    assert refusal(client) == (409, "payment_not_captured")
    assert orders.told == []
    move(client, "capture", transaction_id)
    assert pay(client, {"order_id": 123, "amount": "199.99"}).status_code == 200
    assert (gateway.held, orders.told) == (Decimal("199.99"), [ORDER])


def test_a_capture_whose_answer_is_not_known_yet_is_202(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """Until it is found out."""
    transaction_id = set_aside(client)
    gateway.script = ["timeout", "timeout"]
    client.post("/api/v1/payments/capture", {"transaction_id": transaction_id}, format="json")
    assert pay(client, {"order_id": 123, "amount": "199.99"}).status_code == 202
    work()
    assert pay(client, {"order_id": 123, "amount": "199.99"}).status_code == 200


@pytest.mark.parametrize("captured", ["0.01", "199.98"])
def test_a_part_that_was_captured_pays_no_order(
    client: APIClient, gateway: FakeGateway, orders: FakeOrders, captured: str
) -> None:
    """409 that names what was captured, and once it went back, that; nothing more is charged and nobody told."""
    transaction_id = set_aside(client)
    move(client, "capture", transaction_id, amount=captured)
    response = pay(client, {"order_id": 123, "amount": "199.99"})
    assert response.status_code == 409
    assert exact(response) == {
        "error": f"The payment of this order is over {captured} EUR",
        "code": "payment_amount_mismatch",
        "amount": Decimal(captured),
        "currency": "EUR",
    }
    assert (gateway.held, orders.told) == (Decimal(captured), [])
    move(client, "refund", transaction_id)
    assert refusal(client) == (409, "payment_refunded")
    assert (gateway.held, orders.told) == (0, [])


@pytest.mark.parametrize(("script", "refunded"), [("ok", "5.00"), ("lost", "5.00"), ("ok", "199.99")])
def test_a_payment_that_went_back_pays_no_order(
    client: APIClient, gateway: FakeGateway, orders: FakeOrders, script: str, refunded: str
) -> None:
    """409, also where a part of it is on its way; nothing more is charged."""
    body = {"order_id": 123, "amount": "199.99", "method": "CARD"}
    assert pay(client, body).status_code == 200
    gateway.script = [script] if script != "ok" else []
    refund = {"transaction_id": Payment.objects.get().transaction_id, "amount": refunded}
    client.post("/api/v1/payments/refund", refund, format="json")
    response = pay(client, body)
    assert (response.status_code, exact(response)["code"]) == (409, "payment_refunded")
    assert exact(response)["error"] == f"Of the payment of this order, {refunded} of 199.99 was refunded"
    assert (gateway.held, orders.told) == (Decimal("199.99") - Decimal(refunded), [ORDER])


def test_a_payment_that_was_voided_pays_no_order(client: APIClient, gateway: FakeGateway) -> None:
    """409 as at every door."""
    move(client, "void", set_aside(client))
    assert refusal(client) == (409, "payment_voided")
    assert gateway.held == 0


@pytest.mark.parametrize("amount", ["199.98", "200", "0", "-199.99"])
def test_another_amount(client: APIClient, amount: str) -> None:
    """400 with what the order costs, nothing charged."""
    response = pay(client, {"order_id": 123, "amount": amount})
    assert (response.status_code, exact(response)["error"]) == (400, "Incorrect payment amount (expected 199.99)")
    assert Payment.objects.count() == 0


def test_another_currency(client: APIClient) -> None:
    """400 with the order's own, nothing charged; the order's own may be said."""
    response = pay(client, {"order_id": 123, "amount": "199.99", "currency": "USD"})
    assert (response.status_code, exact(response)["error"]) == (400, "Incorrect payment currency (expected EUR)")
    assert Payment.objects.count() == 0
    assert pay(client, {"order_id": 123, "amount": "199.99", "currency": "eur"}).status_code == 200


@pytest.mark.parametrize("currency", ["JPY", "KRW", "CLP"])
def test_an_order_whose_total_its_currency_has_no_coins_for(
    client: APIClient, orders: FakeOrders, currency: str
) -> None:
    """400 that says so, nothing charged."""
    orders.orders["123"] = OrderSeen(ORDER, "PENDING", Decimal("19.99"), currency)
    response = pay(client, {"order_id": 123, "amount": "19.99"})
    assert (response.status_code, exact(response)["fields"]) == (400, {"amount": [f"{currency} has no decimals."]})
    assert Payment.objects.count() == 0


def test_the_order_service_is_down(client: APIClient, orders: FakeOrders) -> None:
    """503 and when to come back, nothing charged."""
    orders.is_down = True
    response = pay(client, {"order_id": 123, "amount": "199.99"})
    assert (response.status_code, exact(response)["code"]) == (503, "order_service_unavailable")
    assert response["Retry-After"] == "1"
    assert Payment.objects.count() == 0


def test_the_order_service_goes_down_in_between(client: APIClient, orders: FakeOrders) -> None:
    """The money is taken and the answer is 200; the order is told when it hears again, once."""
    orders.is_deaf = True
    assert pay(client, {"order_id": 123, "amount": "199.99"}).status_code == 200
    assert Payment.objects.get().notice_due_at is not None
    for _ in range(2):
        Payment.objects.update(notice_due_at=Payment.objects.get().created_at)
        assert notices.notices_once() == 0
    orders.is_deaf = False
    Payment.objects.update(notice_due_at=Payment.objects.get().created_at)
    assert (notices.notices_once(), notices.notices_once(), orders.told) == (1, 0, [ORDER])


def test_a_decline_is_402(client: APIClient, gateway: FakeGateway, orders: FakeOrders) -> None:
    """With its reason; the same key is told the same again, a new try charges anew."""
    gateway.script = ["decline"]
    body = {"order_id": 123, "amount": "199.99", "method": "CARD"}
    first = pay(client, body, HTTP_IDEMPOTENCY_KEY="k1")
    again = pay(client, body, HTTP_IDEMPOTENCY_KEY="k1")
    assert (first.status_code, exact(first)["code"], exact(first)["retryable"]) == (402, "insufficient_funds", True)
    assert (again.status_code, again.content, len(gateway.calls)) == (402, first.content, 1)
    assert orders.told == []
    assert pay(client, body).status_code == 200
    assert orders.told == [ORDER]


def test_an_answer_that_is_not_known_yet_is_202(
    client: APIClient, gateway: FakeGateway, orders: FakeOrders, work: Callable[[], int]
) -> None:
    """The worker finds out, and the order service is told then."""
    gateway.script = ["timeout"]
    response = pay(client, {"order_id": 123, "amount": "199.99", "method": "CARD"})
    assert (response.status_code, exact(response)["message"]) == (202, "Payment pending")
    work()
    assert (notices.notices_once(), orders.told) == (1, [ORDER])


def test_a_refund_is_told_too(client: APIClient, orders: FakeOrders) -> None:
    """Each refund, part or whole."""
    pay(client, {"order_id": 123, "amount": "199.99"})
    for amount in ("100.00", None):
        payment = Payment.objects.get()
        refunding.refund_payment(payment, uid=uuid4(), amount=None if amount is None else Decimal(amount))
        assert notices.notices_once() == 1
    assert orders.told == [ORDER] * 3


def test_nobody_is_told_of_what_the_order_service_did_itself(client: APIClient, orders: FakeOrders) -> None:
    """A charge through its own door needs no notice."""
    client.post("/api/payments/", {"order_id": ORDER, "amount": 5}, format="json")
    assert (notices.notices_once(), orders.told) == (0, [])


def test_notices_can_be_off(client: APIClient, orders: FakeOrders, settings: Any) -> None:
    """Where there is no order service, nothing waits for it."""
    settings.ORDER_NOTICES = False
    client.post("/v1/payments/charge", {"order_id": 5, "amount": 5, "method": "UPI"}, format="json")
    assert Payment.objects.filter(notice_due_at__isnull=False).count() == 0


def test_with_notices_off_paying_an_order_tells_nobody(client: APIClient, orders: FakeOrders, settings: Any) -> None:
    """It is paid all the same; the order service hears of it from Kafka."""
    settings.ORDER_NOTICES = False
    assert pay(client, {"order_id": 123, "amount": "199.99"}).status_code == 200
    assert (orders.told, Payment.objects.get().notice_due_at, trail()) == ([], None, ["payment.successful"])


@pytest.mark.parametrize("body", [{}, {"order_id": 123}, {"amount": 5}, {"order_id": "x", "amount": 5}, []])
def test_wrong_input_is_named(client: APIClient, body: Any) -> None:
    """400 before anybody is asked."""
    assert pay(client, body).status_code == 400
    assert trail() == []
