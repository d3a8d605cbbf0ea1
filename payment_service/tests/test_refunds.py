"""Refunds: full and partial, several for one payment, and never more than was captured."""

from decimal import Decimal
from uuid import uuid4

import pytest

from payment_service.payments.errors import NotRefundable, RefundExceedsCaptured
from payment_service.payments.gateways.base import RefundRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging
from payment_service.payments.use_cases.refunding import refund_payment
from payment_service.tests.conftest import asked, trail
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(gateway: FakeGateway) -> Payment:
    return charging.charge_payment(asked("50.00")).payment


def test_parts_add_up_to_the_whole(paid: Payment, gateway: FakeGateway) -> None:
    """Each part has a row and a key of its own; the last one makes it REFUNDED."""
    amounts = [Decimal("10.10"), Decimal("20.20"), Decimal("19.70")]
    statuses = []
    for amount in amounts:
        refund_payment(paid, uid=uuid4(), amount=amount)
        statuses.append(Payment.objects.get().status)
    assert statuses == ["PARTIALLY_REFUNDED", "PARTIALLY_REFUNDED", "REFUNDED"]
    assert (Payment.objects.get().refunded, gateway.held) == (50, 0)
    assert len(set(gateway.sent(RefundRequest))) == 3
    assert trail() == ["payment.successful", *["payment.refunded"] * 3]


@pytest.mark.parametrize("amount", ["50.01", "0.00", "-1.00"])
def test_more_than_is_left_and_nothing_are_refused(paid: Payment, gateway: FakeGateway, amount: str) -> None:
    """No row, no booking, no call."""
    with pytest.raises(RefundExceedsCaptured):
        refund_payment(paid, uid=uuid4(), amount=Decimal(amount))
    assert (Refund.objects.count(), Payment.objects.get().booked, gateway.sent(RefundRequest)) == (0, 0, [])


def test_the_same_refund_again_is_the_same_refund(paid: Payment, gateway: FakeGateway) -> None:
    """Repeating the id answers with the first one and pays nothing out."""
    uid = uuid4()
    first = refund_payment(paid, uid=uid, amount=Decimal("10.00"))
    assert refund_payment(paid, uid=uid, amount=Decimal("10.00")) == first
    assert gateway.held == 40


def test_a_refused_refund_gives_its_amount_back(paid: Payment, gateway: FakeGateway) -> None:
    """FAILED frees what it had booked, so that it can be refunded after all."""
    gateway.script = ["decline"]
    refund = refund_payment(paid, uid=uuid4(), amount=None)
    payment = Payment.objects.get()
    assert (refund.status, refund.failure_code) == ("FAILED", "insufficient_funds")
    assert (payment.status, payment.booked, payment.refunded) == (Status.CAPTURED, 0, 0)
    assert refund_payment(paid, uid=uuid4(), amount=None).status == "SUCCEEDED"


def test_what_is_pending_cannot_be_refunded_again(paid: Payment, gateway: FakeGateway) -> None:
    """A refund without an answer counts as paid out until it is known not to be."""
    gateway.script = ["lost"]
    refund_payment(paid, uid=uuid4(), amount=Decimal("40.00"))
    with pytest.raises(RefundExceedsCaptured) as refusal:
        refund_payment(paid, uid=uuid4(), amount=Decimal("20.00"))
    assert refusal.value.fields["refundable"] == Decimal("10.00")


def test_only_captured_money_goes_back(gateway: FakeGateway) -> None:
    """FAILED and AUTHORIZED payments have nothing to refund."""
    gateway.script = ["decline"]
    for order_id, capture in (("1", True), ("2", False)):
        payment = charging.charge_payment(asked(order_id=order_id, capture=capture)).payment
        with pytest.raises(NotRefundable):
            refund_payment(payment, uid=uuid4(), amount=None)
    assert Refund.objects.count() == 0
