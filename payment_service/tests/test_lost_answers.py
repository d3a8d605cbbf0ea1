"""A gateway that does not answer: nothing is called failed, nothing is charged twice, and everything ends."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from payment_service.payments.gateways.base import CaptureRequest, ChargeRequest, RefundRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import attempts, moves
from payment_service.tests.conftest import ORDER, asked, exact, make_due, trail
from payment_service.tests.fakes import DECLINE, FakeGateway
from servicekit.errors import StaleRow

pytestmark = pytest.mark.django_db
URL = f"/api/payments/{ORDER}/"


@pytest.mark.parametrize("fault", ["lost", "timeout"])
def test_the_worker_finds_out(gateway: FakeGateway, work: Callable[[], int], fault: str) -> None:
    """Whether or not the charge had arrived, it is taken once, and the token is forgotten then."""
    gateway.script = [fault]
    pending = charging.charge_payment(asked(token="tok_ok")).payment
    assert (pending.status, pending.token, trail()) == (Status.PROCESSING, "tok_ok", [])
    assert work() == 1
    payment = Payment.objects.get()
    assert (payment.status, payment.token, payment.due_at) == (Status.CAPTURED, "", None)
    assert gateway.held == 50
    assert set(gateway.sent(ChargeRequest)) == {f"order-{ORDER}-pay-1"}
    assert trail() == ["payment.successful"]


def test_the_worker_finds_a_decline(gateway: FakeGateway, work: Callable[[], int]) -> None:
    """A decline whose answer was lost ends as what it was."""
    gateway.script = ["timeout", "decline"]
    charging.charge_payment(asked())
    work()
    assert Payment.objects.get().failure_code == "insufficient_funds"
    assert trail() == ["payment.failed"]


def test_a_read_finds_out_but_sends_nothing(client: APIClient, gateway: FakeGateway) -> None:
    """GET asks what became of a charge; it never makes one happen."""
    gateway.script = ["timeout"]
    charging.charge_payment(asked())
    assert exact(client.get(URL))["status"] == "PENDING"
    assert len(gateway.calls) == 1
    gateway.ledger[f"order-{ORDER}-pay-1"] = DECLINE
    make_due()
    assert exact(client.get(URL))["status"] == "FAILED"


def test_a_repeat_finds_out(gateway: FakeGateway) -> None:
    """The same charge again first asks what became of the first."""
    gateway.script = ["lost"]
    charging.charge_payment(asked())
    assert charging.charge_payment(asked()).payment.status == Status.CAPTURED
    assert len(gateway.calls) == 1


def test_a_repeat_while_the_gateway_is_asked_waits_for_nobody(gateway: FakeGateway) -> None:
    """Whoever holds the lease finishes; the other one is told PENDING and sends nothing."""
    seen: list[Payment] = []
    gateway.before_answer = lambda: seen.append(charging.charge_payment(asked()).payment)
    assert charging.charge_payment(asked()).payment.status == Status.CAPTURED
    assert seen[0].status == Status.PROCESSING
    assert len(gateway.calls) == 1


def test_nothing_sent_is_a_failure_worth_repeating(gateway: FakeGateway) -> None:
    """A gateway that was never reached took nothing: FAILED, retryable, and the next attempt has a key of its own."""
    gateway.script = ["unavailable"]
    failed = charging.charge_payment(asked()).payment
    assert (failed.status, failed.failure_code, failed.retryable) == (Status.FAILED, "gateway_unavailable", True)
    assert charging.charge_payment(asked()).payment.status == Status.CAPTURED
    assert gateway.sent(ChargeRequest) == [f"order-{ORDER}-pay-2"]


def test_a_gateway_that_cannot_be_asked_later_leaves_it_open(gateway: FakeGateway, work: Callable[[], int]) -> None:
    """Being unable to find out is not a failure of the payment; it is asked less and less often."""
    gateway.script = ["lost"]
    charging.charge_payment(asked())
    gateway.is_down = True
    for count in range(1, 4):
        make_due()
        repair.payments_once()
        payment = Payment.objects.get()
        assert (payment.status, payment.retry_count) == (Status.PROCESSING, count)
    gateway.is_down = False
    work()
    assert Payment.objects.get().status == Status.CAPTURED


def test_who_slept_past_the_lease_writes_nothing(gateway: FakeGateway) -> None:
    """The worker took the payment over; the late answer of the first one is thrown away."""

    def the_worker_is_faster() -> None:
        make_due()
        repair.payments_once()

    gateway.before_answer = the_worker_is_faster
    payment = charging.charge_payment(asked()).payment
    assert payment.status == Status.CAPTURED
    assert trail() == ["payment.successful"]
    with pytest.raises(StaleRow):
        attempts.finish_attempt(Payment(pk=payment.pk, version=1, amount=payment.amount), DECLINE)
    assert Payment.objects.get().status == Status.CAPTURED


def test_one_of_two_workers_gets_a_payment(gateway: FakeGateway) -> None:
    """The claim is a conditional UPDATE: the second one finds nothing to take."""
    gateway.script = ["timeout"]
    payment = charging.charge_payment(asked()).payment
    assert moves.claim(payment) is not None
    assert moves.claim(payment) is None


def test_a_lost_capture_is_found(gateway: FakeGateway, work: Callable[[], int]) -> None:
    """Captured at the gateway, unknown here: the worker finds it and asks for nothing twice."""
    payment = charging.charge_payment(asked(capture=False)).payment
    gateway.script = ["lost"]
    waiting = capturing.capture_payment(payment, amount=None)
    assert (waiting.status, waiting.capture_asked) == (Status.AUTHORIZED, 50)
    work()
    assert Payment.objects.get().status == Status.CAPTURED
    assert len(gateway.sent(CaptureRequest)) == 1
    assert trail() == ["payment.authorized", "payment.successful"]


@pytest.mark.parametrize("fault", ["lost", "timeout", "unavailable"])
def test_a_refund_without_an_answer_stays_booked_until_it_is_found(
    gateway: FakeGateway, work: Callable[[], int], fault: str
) -> None:
    """PENDING keeps its amount booked; it is paid out once."""
    payment = charging.charge_payment(asked()).payment
    gateway.script = [fault]
    refund = refunding.refund_payment(payment, uid=payment.uid, amount=None)
    payment.refresh_from_db()
    assert (refund.status, payment.booked, payment.refunded) == ("PENDING", 50, 0)
    work()
    payment.refresh_from_db()
    assert (Refund.objects.get().status, payment.status, payment.refunded) == ("SUCCEEDED", Status.REFUNDED, 50)
    assert set(gateway.sent(RefundRequest)) == {f"refund-{payment.uid}"}
    assert gateway.held == 0
    assert trail() == ["payment.successful", "payment.refunded"]
