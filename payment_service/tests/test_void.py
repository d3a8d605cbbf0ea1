"""Voiding: no money is held for the order, now or later, whatever state its payment is in."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from payment_service.payments.gateways.base import ChargeRequest, RefundRequest, VoidRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import attempts
from payment_service.tests.conftest import ORDER, asked, exact, make_due, trail
from payment_service.tests.fakes import FakeGateway
from servicekit.errors import StaleRow
from servicekit.idempotency.models import IdempotencyKey

pytestmark = pytest.mark.django_db
URL = f"/api/payments/{ORDER}/"


def void(client: APIClient) -> Any:
    return client.post(f"{URL}void/")


def charge(client: APIClient, method: str = "CARD", amount: int = 50) -> Any:
    return client.post("/api/payments/", {"order_id": ORDER, "amount": amount, "method": method}, format="json")


def test_an_order_without_a_payment_gets_a_tombstone(client: APIClient) -> None:
    """A charge that comes late finds it and is refused; the void may be repeated."""
    for _ in range(2):
        response = void(client)
        body = exact(response)
        assert (response.status_code, body["status"], body["amount"]) == (200, "VOIDED", Decimal("0.00"))
    late = charge(client, "DIRECT")
    assert (late.status_code, exact(late)["code"]) == (409, "payment_voided")
    assert trail() == ["payment.voided"]


def test_what_is_kept_of_a_path_has_no_card_number(client: APIClient) -> None:
    """With the key, whatever the path named."""
    path = "/api/payments/4929%203327%204444%200014/void/"
    assert client.post(path, HTTP_IDEMPOTENCY_KEY="k").status_code == 404
    kept = IdempotencyKey.objects.values_list("scope", flat=True)
    assert list(kept) == ["POST /api/payments/*******************/void"]


@pytest.mark.parametrize("amount", ["49.99", "3.00", 0, "50.01"])
def test_a_part_of_what_is_held_is_not_voided(client: APIClient, gateway: FakeGateway, amount: Any) -> None:
    """400, and nothing goes back; all that is held may be said, and also by a repeat, when nothing is held any more."""
    charge(client)
    refused = client.post(f"{URL}void/", {"amount": amount}, format="json")
    assert (refused.status_code, exact(refused)["code"], exact(refused)["held"]) == (400, "void_in_part", 50)
    assert (gateway.held, Payment.objects.get().void_requested) == (50, False)
    for _ in range(2):
        voided = client.post(f"{URL}void/", {"amount": "50.00"}, format="json")
        assert (voided.status_code, exact(voided)["status"]) == (200, "REFUNDED")
    assert gateway.held == 0


def test_null_is_no_amount(client: APIClient, gateway: FakeGateway) -> None:
    """400 that names the field, and nothing goes back."""
    charge(client)
    refused = client.post(f"{URL}void/", {"amount": None}, format="json")
    assert (refused.status_code, exact(refused)["fields"]) == (400, {"amount": ["This field may not be null."]})
    assert (gateway.held, Payment.objects.get().void_requested) == (50, False)


@pytest.mark.parametrize("order_id", ["x", "0", "9" * 40])
def test_what_can_be_no_order_gets_none(client: APIClient, order_id: str) -> None:
    """A malformed id leaves no tombstone."""
    response = client.post(f"/api/payments/{order_id}/void/")
    assert (response.status_code, exact(response)["error"]) == (404, "Payment not found")
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("method", ["DIRECT", "CARD"])
def test_money_that_was_taken_goes_back(client: APIClient, gateway: FakeGateway, method: str) -> None:
    """CAPTURED becomes REFUNDED by one refund, also when asked twice; and it stays closed."""
    charge(client, method)
    for _ in range(2):
        response = void(client)
        assert (response.status_code, exact(response)["status"]) == (200, "REFUNDED")
    payment = Payment.objects.get()
    assert (payment.captured, payment.booked, payment.refunded) == (50, 50, 50)
    assert payment.due_at is None
    assert Refund.objects.get().status == "SUCCEEDED"
    assert exact(charge(client, method))["code"] == "payment_voided"
    assert trail() == ["payment.successful", "payment.refunded"]
    assert gateway.held == 0


def test_money_that_is_set_aside_is_released(client: APIClient, gateway: FakeGateway) -> None:
    """AUTHORIZED becomes VOIDED, and nothing is refunded."""
    charging.charge_payment(asked(capture=False))
    response = void(client)
    assert (response.status_code, exact(response)["status"]) == (200, "VOIDED")
    assert gateway.sent(VoidRequest) == [f"order-{ORDER}-void-1"]
    assert (Refund.objects.count(), gateway.held) == (0, 0)
    assert trail() == ["payment.authorized", "payment.voided"]


def test_a_failed_payment_is_closed(client: APIClient, gateway: FakeGateway) -> None:
    """It took nothing, so it stays FAILED; but no new attempt may start."""
    gateway.script = ["decline"]
    charge(client)
    response = void(client)
    assert (response.status_code, exact(response)["status"]) == (200, "FAILED")
    late = charge(client)
    assert (late.status_code, exact(late)["code"]) == (409, "payment_voided")
    assert len(gateway.calls) == 1


def test_an_attempt_that_was_read_before_the_void_does_not_start_after_it(
    client: APIClient, gateway: FakeGateway
) -> None:
    """The void of a FAILED payment fences whoever is about to try it again."""
    gateway.script = ["decline"]
    failed = charging.charge_payment(asked()).payment
    void(client)
    with pytest.raises(StaleRow):
        attempts.start_attempt(failed, asked(), gateway="fake")
    assert Payment.objects.get().status == Status.FAILED


def test_a_void_in_the_middle_of_a_charge_is_remembered(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """202 while the gateway has not answered; what it then takes goes back."""
    answers: list[Any] = []
    gateway.before_answer = lambda: answers.append(void(client))
    charge(client)
    assert (answers[0].status_code, exact(answers[0])["status"]) == (202, "PENDING")
    work()
    assert exact(client.get(URL))["status"] == "REFUNDED"
    assert gateway.held == 0
    assert trail() == ["payment.successful", "payment.refunded"]


def test_a_void_in_the_middle_of_a_decline_closes_the_payment(client: APIClient, gateway: FakeGateway) -> None:
    """Nothing was taken: FAILED, nothing due, and no further attempt."""
    gateway.script = ["decline"]
    gateway.before_answer = lambda: void(client)
    charge(client)
    payment = Payment.objects.get()
    assert (payment.status, payment.due_at) == (Status.FAILED, None)
    assert exact(charge(client))["code"] == "payment_voided"


def test_a_void_in_the_middle_of_a_capture_is_remembered(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """The capture is recorded first, then what it took goes back."""
    payment = charging.charge_payment(asked(capture=False)).payment
    answers: list[Any] = []
    gateway.before_answer = lambda: answers.append(void(client))
    captured = capturing.capture_payment(payment, amount=Decimal("30.00"))
    assert (answers[0].status_code, captured.status) == (202, Status.CAPTURED)
    work()
    payment.refresh_from_db()
    assert (payment.status, payment.captured, payment.refunded) == (Status.REFUNDED, 30, 30)


def test_a_lost_answer_is_asked_for_before_the_void(client: APIClient, gateway: FakeGateway) -> None:
    """The charge did happen: it is found, and refunded in the same call."""
    gateway.script = ["lost"]
    charge(client)
    response = void(client)
    assert (response.status_code, exact(response)["status"]) == (200, "REFUNDED")
    assert gateway.held == 0


def test_a_charge_that_never_arrived_is_not_sent_to_be_refunded(
    client: APIClient, gateway: FakeGateway, settings: Any
) -> None:
    """With a void waiting nothing is sent; after a while the charge counts as never made."""
    gateway.script = ["timeout"]
    charge(client)
    assert void(client).status_code == 202
    assert gateway.sent(ChargeRequest) == [f"order-{ORDER}-pay-1"]
    settings.PAYMENT_SETTLE_S = 0
    make_due()
    repair.payments_once()
    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code, payment.due_at) == (Status.FAILED, "not_charged", None)
    assert gateway.sent(ChargeRequest) == [f"order-{ORDER}-pay-1"]
    assert exact(charge(client))["code"] == "payment_voided"


def test_a_gateway_that_is_down_is_asked_again_by_the_worker(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """The wish is kept: 202 now, the money back as soon as the gateway is."""
    charge(client)
    gateway.is_down = True
    assert void(client).status_code == 202
    gateway.is_down = False
    work()
    assert exact(client.get(URL))["status"] == "REFUNDED"
    assert (void(client).status_code, Refund.objects.count()) == (200, 1)


def test_a_void_that_is_refused_for_now_is_tried_again_in_the_same_refund(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """It stays booked meanwhile, and each attempt has a key of its own: one key always has the same answer."""
    charge(client)
    gateway.script = ["decline", "decline"]
    for _ in range(2):
        assert void(client).status_code == 202
    refund = Refund.objects.get()
    assert (refund.status, refund.failure_code, refund.attempt) == ("PENDING", "insufficient_funds", 2)
    payment = Payment.objects.get()
    assert (payment.status, payment.booked, payment.blocked) == (Status.CAPTURED, 50, "")
    work()
    refund = Refund.objects.get()
    assert (refund.status, refund.failure_code, refund.attempt) == ("SUCCEEDED", "", 3)
    uid = refund.uid
    assert gateway.sent(RefundRequest) == [f"refund-{uid}", f"refund-{uid}-2", f"refund-{uid}-3"]
    assert (Payment.objects.get().status, gateway.held) == (Status.REFUNDED, 0)


def test_only_what_is_left_goes_back(client: APIClient, gateway: FakeGateway) -> None:
    """After a partial refund the void returns the rest."""
    charge(client)
    payment = Payment.objects.get()
    refunding.refund_payment(payment, uid=payment.uid, amount=Decimal("20.00"))
    assert exact(client.get(URL))["status"] == "PARTIALLY_REFUNDED"
    assert exact(void(client))["status"] == "REFUNDED"
    assert sorted(refund.amount for refund in Refund.objects.all()) == [20, 30]
    assert gateway.held == 0
