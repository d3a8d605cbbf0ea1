"""Capturing what is set aside: all of it or a part, once."""

from decimal import Decimal

import pytest

from payment_service.payments.errors import CaptureExceedsAuthorized, NotCapturable, PaymentBusy, PaymentVoided
from payment_service.payments.gateways.base import CaptureRequest
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging, repair
from payment_service.payments.use_cases.capturing import capture_payment
from payment_service.tests.conftest import ORDER, asked, trail
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorized(gateway: FakeGateway) -> Payment:
    return charging.charge_payment(asked("50.00", capture=False)).payment


def test_all_of_it(authorized: Payment) -> None:
    """AUTHORIZED becomes CAPTURED, each stage with its time."""
    payment = capture_payment(authorized, amount=None)
    assert (payment.status, payment.captured, payment.capture_asked) == (Status.CAPTURED, 50, None)
    assert payment.authorized_at is not None
    assert payment.captured_at is not None
    assert trail() == ["payment.authorized", "payment.successful"]


def test_a_part_of_it(authorized: Payment) -> None:
    """The rest is released: no more than the part can be refunded."""
    payment = capture_payment(authorized, amount=Decimal("20.00"))
    assert (payment.amount, payment.captured, payment.refundable) == (50, 20, 20)


def test_again_is_the_same(authorized: Payment, gateway: FakeGateway) -> None:
    """A repeat with the same amount asks nobody."""
    first = capture_payment(authorized, amount=Decimal("20.00"))
    assert capture_payment(first, amount=Decimal("20.00")) == first
    assert len(gateway.sent(CaptureRequest)) == 1


def test_another_amount_afterwards_is_refused(authorized: Payment) -> None:
    """What was released is gone."""
    captured = capture_payment(authorized, amount=Decimal("20.00"))
    with pytest.raises(NotCapturable):
        capture_payment(captured, amount=Decimal("30.00"))


def test_more_than_is_set_aside_is_refused(authorized: Payment, gateway: FakeGateway) -> None:
    """Nobody is asked for it."""
    with pytest.raises(CaptureExceedsAuthorized):
        capture_payment(authorized, amount=Decimal("50.01"))
    assert gateway.sent(CaptureRequest) == []


@pytest.mark.parametrize("fault", ["decline", "unavailable"])
def test_a_refusal_leaves_it_set_aside(authorized: Payment, gateway: FakeGateway, fault: str) -> None:
    """It may be captured after all, under a key of its own."""
    gateway.script = [fault]
    refused = capture_payment(authorized, amount=None)
    assert (refused.status, refused.capture_asked, refused.due_at) == (Status.AUTHORIZED, None, None)
    assert refused.failure_code != ""
    payment = capture_payment(refused, amount=None)
    assert (payment.status, payment.failure_code) == (Status.CAPTURED, "")
    assert gateway.sent(CaptureRequest)[-1] == f"order-{ORDER}-capture-3"


def test_one_at_a_time(authorized: Payment, gateway: FakeGateway) -> None:
    """A capture in the middle of a capture is refused, whichever row it has read."""
    refusals: list[str] = []

    def another() -> None:
        for payment in (authorized, Payment.objects.get()):
            with pytest.raises(PaymentBusy) as refusal:
                capture_payment(payment, amount=Decimal("1.00"))
            refusals.append(refusal.value.code)

    gateway.before_answer = another
    assert capture_payment(authorized, amount=None).captured == 50
    assert refusals == ["payment_in_progress"] * 2


def test_a_voided_one_is_not_captured(authorized: Payment, gateway: FakeGateway) -> None:
    """Once a void was asked for, nothing more is taken."""
    gateway.is_down = True
    repair.void_payment(ORDER)
    gateway.is_down = False
    with pytest.raises(PaymentVoided):
        capture_payment(Payment.objects.get(), amount=None)
    assert gateway.sent(CaptureRequest) == []
