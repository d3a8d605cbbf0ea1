"""A void that is asked for while somebody has the payment in hand: nothing is decided on the flag as it was before."""

from typing import Any

import pytest

from payment_service.payments.errors import PaymentBusy, PaymentVoided
from payment_service.payments.gateways.base import Declined
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging
from payment_service.payments.writes import attempts, closing, moves
from payment_service.tests.conftest import asked, make_due, trail
from payment_service.tests.fakes import FakeGateway
from servicekit.errors import StaleRow

pytestmark = pytest.mark.django_db

DECLINE = Declined(code="card_declined", message="No", retryable=True)


def in_hand() -> Payment:
    """A payment that somebody asks the gateway about, as they have read it; a void has come in since then."""
    payment = attempts.open_processing(asked(), gateway="fake")
    assert payment is not None
    closing.request_void(payment)
    assert not payment.void_requested
    return payment


def is_due(payment: Payment) -> bool:
    return Payment.objects.get(pk=payment.pk).due_at is not None


def test_a_charge_that_failed_is_not_tried_again(gateway: FakeGateway) -> None:
    """The outcome is kept, and what comes back knows of the void."""
    failed = attempts.finish_attempt(in_hand(), DECLINE)
    assert (failed.status, failed.void_requested, failed.due_at) == (Status.FAILED, True, None)
    with pytest.raises(PaymentVoided):
        attempts.start_attempt(failed, asked(), gateway="fake")
    assert (Payment.objects.get().status, trail()) == (Status.FAILED, ["payment.failed"])


def test_a_charge_that_took_money_is_due_at_once(gateway: FakeGateway) -> None:
    """In the row, and in what comes back."""
    gateway.before_answer = lambda: closing.request_void(Payment.objects.get())
    payment = charging.charge_payment(asked()).payment
    assert (payment.status, payment.void_requested, is_due(payment)) == (Status.CAPTURED, True, True)
    assert payment.due_at is not None


@pytest.mark.parametrize("write", [moves.retry_later, moves.leave_unknown, moves.rest])
def test_whoever_gives_it_back_knows_of_the_void(gateway: FakeGateway, write: Any) -> None:
    """And it stays due."""
    given_back = write(in_hand())
    assert (given_back.void_requested, is_due(given_back)) == (True, True)


def test_whoever_takes_it_over_knows_of_the_void(gateway: FakeGateway) -> None:
    """So nothing is sent for it any more."""
    payment = in_hand()
    make_due()
    claimed = moves.claim(payment)
    assert claimed is not None
    assert (claimed.void_requested, claimed.version) == (True, 2)
    charging.settle_attempt(claimed, resend=True)
    assert gateway.held == 0


def test_a_capture_is_not_begun(gateway: FakeGateway) -> None:
    """The void comes first."""
    payment = charging.charge_payment(asked(capture=False)).payment
    closing.request_void(payment)
    with pytest.raises(PaymentBusy):
        closing.start_capture(payment, amount=payment.amount)
    assert Payment.objects.get().capture_asked is None


def test_it_is_no_excuse_for_who_was_overtaken(gateway: FakeGateway) -> None:
    """The version decides, whatever the flag says."""
    payment = in_hand()
    make_due()
    assert moves.claim(payment) is not None
    with pytest.raises(StaleRow):
        attempts.finish_attempt(payment, DECLINE)
    assert (Payment.objects.get().status, trail()) == (Status.PROCESSING, [])
