"""What every gateway promises, run against each that the registry has. See rigs.py for what it has to know of each."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

import pytest

from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import (
    ActionRequired,
    Approved,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    OutcomeUnknown,
    VoidRequest,
)
from payment_service.tests.gateways.network import GARBLED, Fault
from payment_service.tests.gateways.rigs import CORE, LEFT_OUT, RIGS, Rig


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of a `rig` is run against every gateway that does not leave it out.

    The database is there for those alone that keep their caller's slot: it is out of reach of all others (ADR 0020).
    """
    if "rig" in metafunc.fixturenames:
        test = metafunc.function.__name__
        gateways = [
            pytest.param(name, marks=(pytest.mark.django_db,) if name in registry._KEEPS_SLOT else ())
            for name in sorted(registry.names())
            if test not in LEFT_OUT.get(name, {})
        ]
        metafunc.parametrize("rig", gateways, indirect=True)


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Rig:
    assert request.param in RIGS, f"give the gateway {request.param!r} a line in RIGS of gateways/rigs.py"
    return RIGS[request.param](request)


def contract_tests() -> Iterable[str]:
    return [
        name for name, value in globals().items() if name.startswith("test_") and "rig" in value.__code__.co_varnames
    ]


@pytest.mark.parametrize("name", sorted(registry.names()))
def test_nothing_that_matters_is_left_out(name: str) -> None:
    """Only by whoever has no outside; each exception has its reason, and is one to a test that exists."""
    left_out = LEFT_OUT.get(name, {})
    assert set(left_out) <= set(contract_tests())
    assert all(reason.strip() for reason in left_out.values())
    if registry.gateway(name).has_outside_effect:
        assert CORE & set(left_out) == set()


def test_what_matters_is_there() -> None:
    """A name in CORE that no test has would hold nothing; a rig of a gateway that is gone neither."""
    assert set(contract_tests()) >= CORE
    unlike = sorted(set(RIGS) ^ set(registry.names()) | set(LEFT_OUT) - set(RIGS))
    assert not unlike, f"each gateway has a line in RIGS of rigs.py and in _MAKERS of gateways/registry.py: {unlike}"


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


def test_the_same_key_has_the_same_answer(rig: Rig) -> None:
    """However often a charge is sent."""
    request = rig.charge_request()
    assert rig.gateway.charge(request) == rig.gateway.charge(request) == rig.gateway.find(request)


@pytest.mark.parametrize("capture", [True, False])
def test_the_same_key_is_charged_once(rig: Rig, capture: bool) -> None:
    """By the other side's own books, whatever the answers look like; another key is another charge."""
    before = rig.charges_made()
    request = rig.charge_request(capture=capture)
    for _ in range(3):
        approved(rig.gateway.charge(request))
    assert rig.charges_made() - before == 1
    rig.charge()
    assert rig.charges_made() - before == 2


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


def test_what_was_never_sent_is_not_found(rig: Rig) -> None:
    """None, neither a yes nor a no, and looking makes nothing happen: it decides whether it is sent again."""
    charge = rig.charge(capture=False)
    before = rig.charges_made()
    assert rig.gateway.find(rig.charge_request()) is None
    assert rig.gateway.find(rig.capture_request(charge, "50.00")) is None
    assert rig.gateway.find(rig.void_request(charge)) is None
    assert rig.gateway.find(rig.refund_request(charge, "50.00")) is None
    assert rig.gateway.find(rig.charge_request(token=rig.bad)) is None
    assert rig.charges_made() == before
    approved(rig.gateway.capture(rig.capture_request(charge, "50.00")))


def test_a_decline_is_a_value_with_a_reason(rig: Rig) -> None:
    """A code within its column, a sentence, and the same answer under the same key."""
    request = rig.charge_request(token=rig.bad)
    outcome = declined(rig.gateway.charge(request))
    assert outcome.code == "card_declined"
    assert 0 < len(outcome.message) <= 255
    assert rig.gateway.charge(request) == outcome


def test_a_decline_is_found_as_one(rig: Rig) -> None:
    """Looking for it tells what charging it told, and nothing was taken."""
    before = rig.charges_made()
    request = rig.charge_request(token=rig.bad)
    assert declined(rig.gateway.charge(request)) == rig.gateway.find(request)
    assert rig.charges_made() == before


def to_confirm(rig: Rig, *, capture: bool = True) -> tuple[ChargeRequest, ActionRequired]:
    """A charge that its payer has to confirm, as it is asked for from then on."""
    assert rig.asks is not None, "give the gateway a token whose payer has to confirm, in `asks` of rigs.py"
    request = rig.charge_request(capture=capture, token=rig.asks[0])
    outcome = rig.gateway.charge(request)
    assert isinstance(outcome, ActionRequired), outcome
    return replace(request, token="", payment_intent_id=outcome.payment_intent_id), outcome


def answered(rig: Rig, action: ActionRequired, *, is_yes: bool) -> None:
    assert rig.asks is not None
    rig.asks[1](action.payment_intent_id, is_yes)


def call_off(action: ActionRequired) -> VoidRequest:
    return VoidRequest(f"key-{uuid4()}", "", action.payment_intent_id)


def test_a_charge_that_its_payer_has_to_confirm_takes_nothing_yet(rig: Rig) -> None:
    """It has a page for the payer, and is found by its key, whether or not the gateway's own id is known."""
    before = rig.charges_made()
    request, action = to_confirm(rig)
    assert action.url.startswith(("http://", "https://"))
    assert 0 < len(action.payment_intent_id) <= 64
    assert rig.gateway.find(request) == action == rig.gateway.find(replace(request, payment_intent_id=None))
    assert rig.charges_made() == before


@pytest.mark.parametrize("capture", [True, False])
def test_what_its_payer_says_decides_a_charge(rig: Rig, capture: bool) -> None:
    """Yes, and it is charged, once; no, and it is declined, and nothing is."""
    before = rig.charges_made()
    request, action = to_confirm(rig, capture=capture)
    answered(rig, action, is_yes=True)
    approved(rig.gateway.find(request))
    assert rig.charges_made() - before == 1
    request, action = to_confirm(rig, capture=capture)
    answered(rig, action, is_yes=False)
    assert declined(rig.gateway.find(request)).retryable is False
    assert rig.charges_made() - before == 1


def test_a_charge_that_was_called_off_takes_nothing_any_more(rig: Rig) -> None:
    """However often it is called off, and though its payer says yes after that."""
    before = rig.charges_made()
    request, action = to_confirm(rig)
    for _ in range(2):
        rig.gateway.void(call_off(action))
        assert declined(rig.gateway.find(request)).code == "not_confirmed"
    answered(rig, action, is_yes=True)
    assert declined(rig.gateway.find(request)).code == "not_confirmed"
    assert rig.charges_made() == before


def test_a_charge_that_was_confirmed_cannot_be_called_off(rig: Rig) -> None:
    """The yes was there first: it is found, and is to be refunded."""
    request, action = to_confirm(rig)
    answered(rig, action, is_yes=True)
    declined(rig.gateway.void(call_off(action)))
    approved(rig.gateway.find(request))


def test_more_than_was_taken_does_not_go_back(rig: Rig) -> None:
    """The bank keeps count itself, whatever our ledger thinks."""
    charge = rig.charge()
    declined(rig.gateway.refund(rig.refund_request(charge, "50.01")))
    approved(rig.gateway.refund(rig.refund_request(charge, "40.00")))
    declined(rig.gateway.refund(rig.refund_request(charge, "10.01")))
    approved(rig.gateway.refund(rig.refund_request(charge, "10.00")))


def test_a_part_is_captured_and_the_rest_released(rig: Rig) -> None:
    """No second capture, and no more goes back than was captured."""
    charge = rig.charge(capture=False)
    declined(rig.gateway.capture(rig.capture_request(charge, "50.01")))
    approved(rig.gateway.capture(rig.capture_request(charge, "20.00")))
    declined(rig.gateway.capture(rig.capture_request(charge, "30.00")))
    declined(rig.gateway.refund(rig.refund_request(charge, "20.01")))
    approved(rig.gateway.refund(rig.refund_request(charge, "20.00")))


def test_more_than_is_set_aside_is_not_captured(rig: Rig) -> None:
    """Nor is a part of it captured twice."""
    charge = rig.charge(capture=False)
    declined(rig.gateway.capture(rig.capture_request(charge, "50.01")))
    approved(rig.gateway.capture(rig.capture_request(charge, "20.00")))
    declined(rig.gateway.capture(rig.capture_request(charge, "30.00")))


def test_nothing_is_captured_after_a_void_nor_voided_after_a_capture(rig: Rig) -> None:
    """Set-aside money goes one way, once."""
    voided, captured = rig.charge(capture=False), rig.charge(capture=False)
    approved(rig.gateway.void(rig.void_request(voided)))
    declined(rig.gateway.capture(rig.capture_request(voided, "50.00")))
    approved(rig.gateway.capture(rig.capture_request(captured, "50.00")))
    declined(rig.gateway.void(rig.void_request(captured)))


def test_a_refused_connection_has_sent_nothing(rig: Rig) -> None:
    """GatewayUnavailable, so that the ledger may try again without asking first."""
    before = rig.charges_made()
    with rig.failing(Fault.REFUSED, b"") as failing:
        request = rig.charge_request(token=failing.token)
        with pytest.raises(GatewayUnavailable):
            failing.gateway.charge(request)
    assert rig.gateway.find(request) is None
    assert rig.charges_made() == before
    approved(rig.gateway.charge(request))
    assert rig.charges_made() - before == 1


def test_a_lost_request_is_not_known(rig: Rig) -> None:
    """It was sent, for all that the gateway can know; looking for it later tells that it never arrived."""
    before = rig.charges_made()
    with rig.failing(Fault.LOST_REQUEST, b"") as failing:
        request = rig.charge_request(token=failing.token)
        with pytest.raises(OutcomeUnknown):
            failing.gateway.charge(request)
    assert rig.gateway.find(request) is None
    assert rig.charges_made() == before
    approved(rig.gateway.charge(request))
    assert rig.charges_made() - before == 1


def assert_not_known_and_done_once(rig: Rig, fault: Fault, garbage: bytes = b"") -> None:
    """A charge that is made and not answered: OutcomeUnknown. It is found, and sending it again makes no second one."""
    before = rig.charges_made()
    with rig.failing(fault, garbage) as failing:
        request = rig.charge_request(token=failing.token)
        with pytest.raises(OutcomeUnknown):
            failing.gateway.charge(request)
    found = approved(rig.gateway.find(request))
    assert approved(rig.gateway.charge(request)) == found
    assert rig.charges_made() - before == 1


def test_a_lost_answer_is_not_known(rig: Rig) -> None:
    """The connection ends where an answer should be."""
    assert_not_known_and_done_once(rig, Fault.LOST_ANSWER)


def test_an_answer_that_comes_too_late_is_not_known(rig: Rig) -> None:
    """Neither a decline nor "unavailable": the money is taken."""
    assert_not_known_and_done_once(rig, Fault.LATE_ANSWER)


def test_an_error_of_theirs_is_not_known(rig: Rig) -> None:
    """A 500 says nothing of what was done before it."""
    assert_not_known_and_done_once(rig, Fault.THEIR_ERROR)


@pytest.mark.parametrize("garbage", GARBLED)
def test_an_answer_that_nobody_can_read_is_not_known(rig: Rig, garbage: bytes) -> None:
    """No JSON, or another JSON than was agreed on: neither a yes, nor a no, nor a crash."""
    assert_not_known_and_done_once(rig, Fault.GARBAGE, garbage)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.THEIR_ERROR, Fault.GARBAGE])
def test_what_nobody_answers_is_not_never_seen(rig: Rig, fault: Fault) -> None:
    """Looking where nobody answers raises: None would have the charge made once more, or given up."""
    request = rig.charge_request()
    charge = approved(rig.gateway.charge(request))
    with rig.failing(fault, GARBLED[0]) as failing:
        for asked in (request, rig.refund_request(charge, "50.00"), rig.void_request(charge)):
            with pytest.raises((GatewayUnavailable, OutcomeUnknown)):
                failing.gateway.find(asked)
