"""What every gateway promises, run against each of them. A new gateway is one line in `GATEWAYS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

import pytest

from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Declined,
    Gateway,
    RefundRequest,
    VoidRequest,
)
from payment_service.payments.gateways.direct import DirectGateway
from payment_service.payments.gateways.simulated import SimulatedGateway
from payment_service.payments.gateways.stripe import StripeGateway

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Rig:
    """A gateway, and tokens that it knows for a yes and for a no."""

    gateway: Gateway
    good: str
    bad: str

    def charge_request(self, *, capture: bool = True, is_good: bool = True) -> ChargeRequest:
        return ChargeRequest(
            key=f"key-{uuid4()}",
            order_id=str(uuid4()),
            amount=Decimal("50.00"),
            currency="USD",
            token=self.good if is_good else self.bad,
            capture=capture,
        )

    def charge(self, *, capture: bool = True) -> Approved:
        return approved(self.gateway.charge(self.charge_request(capture=capture)))

    def capture_request(self, of: Approved, amount: str) -> CaptureRequest:
        return CaptureRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id, Decimal(amount), "USD")

    def refund_request(self, of: Approved, amount: str) -> RefundRequest:
        return RefundRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id, Decimal(amount), "USD")

    def void_request(self, of: Approved) -> VoidRequest:
        return VoidRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id)


def _simulated() -> Rig:
    gateway = SimulatedGateway(
        success_rate=1.0, delay_s=(0.0, 0.0), timeout_s=0.0, slow_s=60.0, seed="contract", sleep=lambda _: None
    )
    return Rig(gateway, good="tok_ok", bad="tok_card_declined")


def _stripe(url: str) -> Rig:
    gateway = StripeGateway(api_key="sk_test_12345", timeout_s=10, base_url=url)
    return Rig(gateway, good="pm_card_visa", bad="pm_card_chargeCustomerFail")


GATEWAYS: Mapping[str, Callable[[pytest.FixtureRequest], Rig]] = {
    "direct": lambda _: Rig(DirectGateway(), good="", bad=""),
    "simulated": lambda _: _simulated(),
    "stripe": lambda request: _stripe(request.getfixturevalue("localstripe_url")),
}
# Those that can say no by themselves; DIRECT has nothing to say no with.
BANKS = ["simulated", "stripe"]


@pytest.fixture(params=GATEWAYS)
def rig(request: pytest.FixtureRequest) -> Rig:
    return GATEWAYS[request.param](request)


@pytest.fixture(params=["direct", "simulated"])
def keyed(request: pytest.FixtureRequest) -> Rig:
    """localstripe takes no notice of Stripe's idempotency keys, so a charge sent twice to it is two charges."""
    return GATEWAYS[request.param](request)


@pytest.fixture(params=BANKS)
def bank(request: pytest.FixtureRequest) -> Rig:
    return GATEWAYS[request.param](request)


@pytest.fixture
def counting(request: pytest.FixtureRequest) -> Rig:
    """localstripe refunds any amount as often as it is asked; Stripe and the simulated bank keep count."""
    return GATEWAYS["simulated"](request)


def approved(outcome: object) -> Approved:
    assert isinstance(outcome, Approved), outcome
    return outcome


def declined(outcome: object) -> Declined:
    assert isinstance(outcome, Declined), outcome
    return outcome


@pytest.mark.parametrize("capture", [True, False])
def test_a_charge_is_approved_under_ids_that_fit(rig: Rig, capture: bool) -> None:
    """Every approval has a transaction id, within the ledger's column."""
    outcome = rig.charge(capture=capture)
    assert 0 < len(outcome.transaction_id) <= 64
    assert len(outcome.payment_intent_id or "") <= 64


def test_the_same_key_has_the_same_answer(keyed: Rig) -> None:
    """However often a charge is sent, it is one charge."""
    request = keyed.charge_request()
    assert keyed.gateway.charge(request) == keyed.gateway.charge(request) == keyed.gateway.find(request)


def test_a_charge_is_found_by_its_key(rig: Rig) -> None:
    """Looking for it tells what charging it told."""
    request = rig.charge_request()
    assert rig.gateway.charge(request) == rig.gateway.find(request)


def test_the_same_refund_key_pays_out_once(rig: Rig) -> None:
    """A refund that is sent again is the same refund, though nothing is left by then."""
    request = rig.refund_request(rig.charge(), "50.00")
    first = approved(rig.gateway.refund(request))
    assert rig.gateway.refund(request) == first
    assert rig.gateway.find(request) == first


def test_what_is_set_aside_is_captured(rig: Rig) -> None:
    """Capture, the same capture again, and looking for it agree."""
    request = rig.capture_request(rig.charge(capture=False), "50.00")
    first = approved(rig.gateway.capture(request))
    assert approved(rig.gateway.capture(request)) == first
    assert isinstance(rig.gateway.find(request), Approved)


def test_what_is_set_aside_is_released(rig: Rig) -> None:
    """Void, the same void again, and looking for it agree."""
    request = rig.void_request(rig.charge(capture=False))
    first = approved(rig.gateway.void(request))
    assert approved(rig.gateway.void(request)) == first
    assert isinstance(rig.gateway.find(request), Approved)


def test_a_charge_goes_back_in_parts(rig: Rig) -> None:
    """Several refunds of one charge, each its own."""
    charge = rig.charge()
    keys = [rig.refund_request(charge, amount) for amount in ("20.00", "29.99", "0.01")]
    assert len({approved(rig.gateway.refund(request)).transaction_id for request in keys}) >= 1


def test_what_was_never_sent_is_not_found(bank: Rig) -> None:
    """None, not a decline: the difference decides whether it is sent again."""
    charge = bank.charge(capture=False)
    assert bank.gateway.find(bank.charge_request()) is None
    assert bank.gateway.find(bank.capture_request(charge, "50.00")) is None
    assert bank.gateway.find(bank.void_request(charge)) is None
    assert bank.gateway.find(bank.refund_request(charge, "50.00")) is None


def test_a_decline_is_a_value_with_a_reason(bank: Rig) -> None:
    """A code within its column, a sentence, and the same answer under the same key."""
    request = bank.charge_request(is_good=False)
    outcome = declined(bank.gateway.charge(request))
    assert outcome.code == "card_declined"
    assert 0 < len(outcome.message) <= 255
    assert bank.gateway.charge(request) == outcome


def test_more_than_was_taken_does_not_go_back(counting: Rig) -> None:
    """The bank keeps count itself, whatever our ledger thinks."""
    charge = counting.charge()
    declined(counting.gateway.refund(counting.refund_request(charge, "50.01")))
    approved(counting.gateway.refund(counting.refund_request(charge, "40.00")))
    declined(counting.gateway.refund(counting.refund_request(charge, "10.01")))
    approved(counting.gateway.refund(counting.refund_request(charge, "10.00")))


def test_a_part_is_captured_and_the_rest_released(counting: Rig) -> None:
    """No second capture, and no more goes back than was captured."""
    charge = counting.charge(capture=False)
    declined(counting.gateway.capture(counting.capture_request(charge, "50.01")))
    approved(counting.gateway.capture(counting.capture_request(charge, "20.00")))
    declined(counting.gateway.capture(counting.capture_request(charge, "30.00")))
    declined(counting.gateway.refund(counting.refund_request(charge, "20.01")))
    approved(counting.gateway.refund(counting.refund_request(charge, "20.00")))


def test_more_than_is_set_aside_is_not_captured(bank: Rig) -> None:
    """Nor is a part of it captured twice."""
    charge = bank.charge(capture=False)
    declined(bank.gateway.capture(bank.capture_request(charge, "50.01")))
    approved(bank.gateway.capture(bank.capture_request(charge, "20.00")))
    declined(bank.gateway.capture(bank.capture_request(charge, "30.00")))


def test_nothing_is_captured_after_a_void_nor_voided_after_a_capture(bank: Rig) -> None:
    """Set-aside money goes one way, once."""
    voided, captured = bank.charge(capture=False), bank.charge(capture=False)
    approved(bank.gateway.void(bank.void_request(voided)))
    declined(bank.gateway.capture(bank.capture_request(voided, "50.00")))
    approved(bank.gateway.capture(bank.capture_request(captured, "50.00")))
    declined(bank.gateway.void(bank.void_request(captured)))
