"""What the contract suite has to know of each gateway: how to make it, what it says yes and no to, how it fails.

A new gateway is one line in `RIGS`. All of them take all of the suite; what one cannot take stands in `LEFT_OUT`, with
the reason. Those in `CORE` nobody with an outside leaves out: upon them it depends whether somebody pays twice.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import uuid4

import pytest
import requests
import stripe

from payment_service.bank import books
from payment_service.bank.models import Hold
from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Gateway,
    RefundRequest,
    VoidRequest,
)
from payment_service.payments.gateways.direct import CashGateway, DirectGateway
from payment_service.payments.gateways.simulated import SimulatedGateway
from payment_service.payments.gateways.stripe import StripeGateway
from payment_service.tests.gateways.network import Fault, Network


@dataclass(frozen=True)
class Failing:
    """A gateway with a fault in its way, and the token of a charge that meets it."""

    gateway: Gateway
    token: str


@dataclass(frozen=True)
class Rig:
    """A gateway.

    Args:
        good, bad: Tokens that it says yes and no to.
        asks: A token of a payer who has to confirm, and how that payer answers for an intent; None: it asks nobody.
        charges_made: How often its other side has taken money or set it aside, by the other side's own books.
        failing: The same gateway with a fault between it and its other side; of GARBAGE, these bytes.
    """

    gateway: Gateway
    good: str
    bad: str
    charges_made: Callable[[], int]
    failing: Callable[[Fault, bytes], AbstractContextManager[Failing]]
    asks: tuple[str, Callable[[str, bool], None]] | None = None

    def charge_request(self, *, capture: bool = True, token: str | None = None) -> ChargeRequest:
        return ChargeRequest(
            key=f"key-{uuid4()}",
            order_id=str(uuid4()),
            amount=Decimal("50.00"),
            currency="USD",
            token=self.good if token is None else token,
            capture=capture,
        )

    def charge(self, *, capture: bool = True) -> Approved:
        outcome = self.gateway.charge(self.charge_request(capture=capture))
        assert isinstance(outcome, Approved), outcome
        return outcome

    def capture_request(self, of: Approved, amount: str) -> CaptureRequest:
        return CaptureRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id, Decimal(amount), "USD")

    def refund_request(self, of: Approved, amount: str) -> RefundRequest:
        return RefundRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id, Decimal(amount), "USD")

    def void_request(self, of: Approved) -> VoidRequest:
        return VoidRequest(f"key-{uuid4()}", of.transaction_id, of.payment_intent_id)


def _nobody(gateway: Gateway) -> Rig:
    """One that has no other side."""

    @contextmanager
    def failing(fault: Fault, garbage: bytes) -> Iterator[Failing]:
        raise AssertionError("nothing is in its way that could fail")
        yield

    return Rig(gateway, good="", bad="", charges_made=lambda: 0, failing=failing)


# The simulated bank's network is a script, by token.
_SCRIPTED: Final = {
    Fault.REFUSED: "tok_unavailable_once",
    Fault.LOST_REQUEST: "tok_lose_request",
    Fault.LOST_ANSWER: "tok_charge_then_lose_reply",
    Fault.LATE_ANSWER: "tok_slow",
}


def _simulated(_: pytest.FixtureRequest) -> Rig:
    gateway = SimulatedGateway(
        success_rate=1.0,
        delay_s=(0.0, 0.0),
        timeout_s=0.0,
        slow_s=0.0,
        seed="contract",
        page_url="https://bank.test/",
        sleep=lambda _: None,
    )

    @contextmanager
    def failing(fault: Fault, garbage: bytes) -> Iterator[Failing]:
        yield Failing(gateway, _SCRIPTED[fault])

    def answer(intent_id: str, is_yes: bool) -> None:
        asked = books.confirmation(payment_intent_id=intent_id)
        assert asked is not None
        books.answer(asked, is_yes=is_yes)

    return Rig(
        gateway,
        good="tok_ok",
        bad="tok_card_declined",
        charges_made=Hold.objects.count,
        failing=failing,
        asks=("tok_3ds_ok", answer),
    )


def _of_a_payer_who_is_asked(url: str) -> str:
    """A payment method of localstripe's, by the number of Stripe's test card that always has to be confirmed."""
    card = {"number": "4000002760003184", "exp_month": 12, "exp_year": 2099, "cvc": "123"}
    form = {"type": "card", **{f"card[{name}]": str(value) for name, value in card.items()}}
    made = requests.post(f"{url}/v1/payment_methods", form, auth=("sk_test_12345", ""), timeout=9)
    token: str = made.json()["id"]
    return token


BACK: Final = "https://shop.test/orders/{order_id}/"


def _stripe(request: pytest.FixtureRequest) -> Rig:
    network: Network = request.getfixturevalue("stripe_network")

    def gateway(url: str, timeout_s: float = 30.0) -> StripeGateway:
        return StripeGateway(api_key="sk_test_12345", timeout_s=timeout_s, return_url=BACK, base_url=url)

    @contextmanager
    def failing(fault: Fault, garbage: bytes) -> Iterator[Failing]:
        with network.failing(fault, garbage) as url:
            yield Failing(gateway(url, timeout_s=0.3 if fault is Fault.LATE_ANSWER else 30.0), "pm_card_visa")

    def charges_made() -> int:
        books = stripe.StripeClient("sk_test_12345", base_addresses={"api": network.upstream}).v1.payment_intents
        intents = books.list({"limit": 100}).auto_paging_iter()
        return len([intent for intent in intents if intent.status in ("succeeded", "requires_capture")])

    def answer(intent_id: str, is_yes: bool) -> None:
        intent = requests.get(
            f"{network.upstream}/v1/payment_intents/{intent_id}", auth=("sk_test_12345", ""), timeout=9
        )
        requests.post(
            f"{network.upstream}/v1/payment_intents/{intent_id}/_authenticate",
            {"success": is_yes, "client_secret": intent.json()["client_secret"]},
            auth=("sk_test_12345", ""),
            timeout=9,
        )

    return Rig(
        gateway(network.url),
        good="pm_card_visa",
        bad="pm_card_chargeCustomerFail",
        charges_made=charges_made,
        failing=failing,
        asks=(_of_a_payer_who_is_asked(network.upstream), answer),
    )


RIGS: Final[dict[str, Callable[[pytest.FixtureRequest], Rig]]] = {
    "direct": lambda _: _nobody(DirectGateway()),
    "cash": lambda _: _nobody(CashGateway()),
    "simulated": _simulated,
    "stripe": _stripe,
}

# The tests that decide whether somebody pays twice, or nothing for what they got.
CORE: Final = frozenset(
    {
        "test_the_same_key_is_charged_once",
        "test_a_charge_is_found_by_its_key",
        "test_a_decline_is_found_as_one",
        "test_what_was_never_sent_is_not_found",
        "test_the_same_refund_key_pays_out_once",
        "test_a_refused_connection_has_sent_nothing",
        "test_a_lost_request_is_not_known",
        "test_a_lost_answer_is_not_known",
        "test_a_charge_that_its_payer_has_to_confirm_takes_nothing_yet",
        "test_what_its_payer_says_decides_a_charge",
        "test_a_charge_that_was_called_off_takes_nothing_any_more",
        "test_an_answer_that_comes_too_late_is_not_known",
    }
)

_NO_OTHER_SIDE: Final = "Nobody else is asked: there is nothing to fail, to keep count or to be uncertain about"
_ASKS_NOBODY: Final = "No payer has to confirm anything"
_SAYS_YES: Final = "It has nothing to say no with"
_OF_ONE_WITHOUT_AN_OUTSIDE: Final = {
    "test_the_same_key_is_charged_once": _NO_OTHER_SIDE,
    "test_what_was_never_sent_is_not_found": _NO_OTHER_SIDE,
    "test_a_refused_connection_has_sent_nothing": _NO_OTHER_SIDE,
    "test_a_lost_request_is_not_known": _NO_OTHER_SIDE,
    "test_a_lost_answer_is_not_known": _NO_OTHER_SIDE,
    "test_an_answer_that_comes_too_late_is_not_known": _NO_OTHER_SIDE,
    "test_an_error_of_theirs_is_not_known": _NO_OTHER_SIDE,
    "test_an_answer_that_nobody_can_read_is_not_known": _NO_OTHER_SIDE,
    "test_what_nobody_answers_is_not_never_seen": _NO_OTHER_SIDE,
    "test_a_charge_that_its_payer_has_to_confirm_takes_nothing_yet": _ASKS_NOBODY,
    "test_what_its_payer_says_decides_a_charge": _ASKS_NOBODY,
    "test_a_charge_that_was_called_off_takes_nothing_any_more": _ASKS_NOBODY,
    "test_a_charge_that_was_confirmed_cannot_be_called_off": _ASKS_NOBODY,
    "test_a_decline_is_a_value_with_a_reason": _SAYS_YES,
    "test_a_decline_is_found_as_one": _SAYS_YES,
    "test_more_than_was_taken_does_not_go_back": _SAYS_YES,
    "test_a_part_is_captured_and_the_rest_released": _SAYS_YES,
    "test_more_than_is_set_aside_is_not_captured": _SAYS_YES,
    "test_nothing_is_captured_after_a_void_nor_voided_after_a_capture": _SAYS_YES,
}
_ITS_SCRIPT: Final = "Its network is a script that loses requests and answers, and garbles none"
_LOCALSTRIPE: Final = "localstripe refunds any amount as often as it is asked; Stripe keeps count"

# Gateway → contract test → why it does not take it.
LEFT_OUT: Final[dict[str, Mapping[str, str]]] = {
    "direct": _OF_ONE_WITHOUT_AN_OUTSIDE,
    "cash": _OF_ONE_WITHOUT_AN_OUTSIDE,
    "simulated": {
        "test_an_error_of_theirs_is_not_known": _ITS_SCRIPT,
        "test_an_answer_that_nobody_can_read_is_not_known": _ITS_SCRIPT,
        "test_what_nobody_answers_is_not_never_seen": "Its books are in our own database, which answers or raises",
    },
    "stripe": {
        "test_more_than_was_taken_does_not_go_back": _LOCALSTRIPE,
        "test_a_part_is_captured_and_the_rest_released": _LOCALSTRIPE,
    },
}
