"""The Stripe adapter where a stand-in server cannot go: what is sent, and what Stripe's errors mean.

Its promises as a gateway are tested in test_contract.py, against a localstripe server.
"""

import urllib.parse
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError, NewConnectionError

from payment_service.payments.gateways.base import (
    NOT_CONFIRMED,
    ActionRequired,
    Approved,
    CaptureRequest,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    OutcomeUnknown,
    RefundRequest,
    VoidRequest,
)
from payment_service.payments.gateways.stripe import StripeGateway

URL = "http://stripe.test"
INTENTS = f"{URL}/v1/payment_intents"
RETURN_URL = "https://shop.test/orders/{order_id}/"
REFUND = RefundRequest("refund-1", "ch_1", "pi_1", Decimal("5.00"), "USD")
VOID = VoidRequest("order-1-void-1", "ch_1", "pi_1")
CAPTURE = CaptureRequest("order-1-capture-2", "ch_1", "pi_1", Decimal("5.00"), "USD")


@pytest.fixture
def gateway() -> StripeGateway:
    return StripeGateway(api_key="sk_test_12345", timeout_s=1, return_url=RETURN_URL, base_url=URL)


def a_charge(amount: str = "50.00", currency: str = "USD", token: str = "pm_card_visa") -> ChargeRequest:
    return ChargeRequest("order-1-pay-1", "1", Decimal(amount), currency, token)


def an_intent(**more: Any) -> dict[str, Any]:
    return {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "latest_charge": "ch_1", **more}


def sent(place: int = 0) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(str(responses.calls[place].request.body)))


@responses.activate
def test_what_is_sent(gateway: StripeGateway) -> None:
    """Smallest units, our key as Stripe's idempotency key and in the metadata, and one call only."""
    responses.post(INTENTS, json=an_intent())
    assert isinstance(gateway.charge(a_charge()), Approved)
    assert len(responses.calls) == 1
    assert responses.calls[0].request.headers["Idempotency-Key"] == "order-1-pay-1"
    assert sent() == {
        "amount": "5000",
        "currency": "usd",
        "confirm": "true",
        "capture_method": "automatic",
        "payment_method": "pm_card_visa",
        "payment_method_types[0]": "card",
        "return_url": "https://shop.test/orders/1/",
        "metadata[key]": "order-1-pay-1",
        "metadata[order_id]": "1",
    }


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("50.00", "JPY", "50"), ("50.50", "KWD", "50500"), ("50.00", "ISK", "5000"), ("0.01", "EUR", "1")],
)
@responses.activate
def test_smallest_units(gateway: StripeGateway, amount: str, currency: str, units: str) -> None:
    """As Stripe counts each currency."""
    responses.post(INTENTS, json=an_intent())
    gateway.charge(a_charge(amount, currency))
    assert sent()["amount"] == units


@responses.activate
def test_what_is_not_even_sent(gateway: StripeGateway) -> None:
    """No payment method, or a fraction that the currency does not have at Stripe."""
    for request, code in ((a_charge(token=""), "payment_method_required"), (a_charge("5.50", "MGA"), "invalid_amount")):
        outcome = gateway.charge(request)
        assert isinstance(outcome, Declined)
        assert outcome.code == code
    assert len(responses.calls) == 0


@responses.activate
def test_an_older_pages_token(gateway: StripeGateway) -> None:
    """`tok_…` is a card, not a payment method."""
    responses.post(INTENTS, json=an_intent())
    gateway.charge(a_charge(token="tok_visa"))
    assert sent()["payment_method_data[card][token]"] == "tok_visa"


@pytest.mark.parametrize(
    ("decline_code", "retryable"),
    [("insufficient_funds", True), ("processing_error", True), ("lost_card", False), ("expired_card", False)],
)
@responses.activate
def test_a_decline_is_soft_or_hard(gateway: StripeGateway, decline_code: str, retryable: bool) -> None:
    """With the code and the sentence that Stripe has for it."""
    error = {"type": "card_error", "code": "card_declined", "decline_code": decline_code, "message": "No."}
    responses.post(INTENTS, status=402, json={"error": error})
    outcome = gateway.charge(a_charge())
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.message, outcome.retryable) == (decline_code, "No.", retryable)


@pytest.mark.parametrize(
    ("status", "kind", "meaning"),
    [
        (401, "invalid_request_error", GatewayUnavailable),
        (403, "invalid_request_error", GatewayUnavailable),
        (429, "invalid_request_error", GatewayUnavailable),
        (400, "idempotency_error", OutcomeUnknown),
        (409, "invalid_request_error", OutcomeUnknown),
        (500, "api_error", OutcomeUnknown),
        (503, "api_error", OutcomeUnknown),
    ],
)
@responses.activate
def test_what_is_no_answer(gateway: StripeGateway, status: int, kind: str, meaning: type[Exception]) -> None:
    """Refused before doing anything: nothing was sent. Broken on the way: not known."""
    responses.post(INTENTS, status=status, json={"error": {"type": kind, "message": "x"}})
    with pytest.raises(meaning):
        gateway.charge(a_charge())


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        (requests.ConnectTimeout(), GatewayUnavailable),
        (requests.ConnectionError(MaxRetryError(None, URL, NewConnectionError(None, "refused"))), GatewayUnavailable),  # type: ignore[arg-type]
        (requests.ConnectionError("reset by peer"), OutcomeUnknown),
        (requests.ReadTimeout(), OutcomeUnknown),
    ],
)
@responses.activate
def test_no_connection_and_no_answer_are_different(
    gateway: StripeGateway, failure: Exception, meaning: type[Exception]
) -> None:
    """Money depends on it."""
    responses.post(INTENTS, body=failure)
    with pytest.raises(meaning):
        gateway.charge(a_charge())
    assert len(responses.calls) == 1


@responses.activate
def test_a_payer_who_has_to_confirm(gateway: StripeGateway) -> None:
    """Is sent to Stripe's page; what came of it is asked by Stripe's own id, which is known at once."""
    page = {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": "https://hooks.stripe.com/redirect/1", "return_url": ""},
    }
    responses.post(INTENTS, json=an_intent(status="requires_action", next_action=page))
    outcome = gateway.charge(a_charge())
    assert isinstance(outcome, ActionRequired)
    assert (outcome.url, outcome.payment_intent_id) == ("https://hooks.stripe.com/redirect/1", "pi_1")
    found = replace(a_charge(), payment_intent_id="pi_1")
    responses.get(f"{INTENTS}/pi_1", json=an_intent(metadata={"key": "order-1-pay-1"}))
    assert isinstance(gateway.find(found), Approved)
    responses.replace("GET", f"{INTENTS}/pi_1", json=an_intent(metadata={"key": "another"}))
    assert gateway.find(found) is None
    called_off = an_intent(status="canceled", last_payment_error=None, metadata={"key": "order-1-pay-1"})
    responses.replace("GET", f"{INTENTS}/pi_1", json=called_off)
    assert gateway.find(found) == NOT_CONFIRMED


@pytest.mark.parametrize(
    "action",
    [
        None,
        {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
        {"type": "redirect_to_url", "redirect_to_url": {"url": "javascript:alert(1)"}},
        {"type": "redirect_to_url", "redirect_to_url": {"url": "https://" + "x" * 2048}},
    ],
)
@responses.activate
def test_a_payer_whom_no_page_can_ask(gateway: StripeGateway, action: Any) -> None:
    """Declined, and the intent is cancelled, so that nobody completes it later."""
    responses.post(INTENTS, json=an_intent(status="requires_action", next_action=action))
    responses.post(f"{INTENTS}/pi_1/cancel", json=an_intent(status="canceled"))
    outcome = gateway.charge(a_charge())
    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_required"
    assert len(responses.calls) == 2


@responses.activate
def test_what_is_still_processing_is_not_known(gateway: StripeGateway) -> None:
    """Neither a yes nor a no."""
    responses.post(INTENTS, json=an_intent(status="processing"))
    with pytest.raises(OutcomeUnknown):
        gateway.charge(a_charge())


@responses.activate
def test_a_charge_is_searched_for_by_our_key(gateway: StripeGateway) -> None:
    """With Stripe's search, where there is one; only an exact match counts."""
    others = [an_intent(id="pi_0", metadata={"key": "order-1-pay-11"}), an_intent(metadata={"key": "order-1-pay-1"})]
    responses.get(f"{INTENTS}/search", json={"object": "search_result", "data": others, "has_more": False})
    outcome = gateway.find(a_charge())
    assert isinstance(outcome, Approved)
    assert outcome.payment_intent_id == "pi_1"
    assert responses.calls[0].request.params == {"query": "metadata['key']:'order-1-pay-1'"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("request_", "status", "found"),
    [
        (CAPTURE, "requires_capture", None),
        (CAPTURE, "succeeded", Approved),
        (CAPTURE, "canceled", Declined),
        (VOID, "requires_capture", None),
        (VOID, "canceled", Approved),
        (VOID, "succeeded", Declined),
    ],
)
@responses.activate
def test_what_became_of_money_that_was_set_aside(
    gateway: StripeGateway, request_: Any, status: str, found: type | None
) -> None:
    """One intent goes one way; the capture's key tells whose capture it was."""
    responses.get(f"{INTENTS}/pi_1", json=an_intent(status=status, metadata={"capture_key": CAPTURE.key}))
    outcome = gateway.find(request_)
    assert outcome is None if found is None else isinstance(outcome, found)


@pytest.mark.parametrize(("status", "found"), [("succeeded", Approved), ("failed", Declined), ("canceled", Declined)])
@responses.activate
def test_what_became_of_a_refund(gateway: StripeGateway, status: str, found: type) -> None:
    """A refund may be refused after it was accepted."""
    refund = {"id": "re_1", "object": "refund", "status": status, "metadata": {"key": "refund-1"}}
    responses.get(f"{URL}/v1/refunds", json={"object": "list", "data": [refund], "has_more": False})
    assert isinstance(gateway.find(REFUND), found)


@responses.activate
def test_a_refund_that_is_on_its_way_is_not_known(gateway: StripeGateway) -> None:
    """Pending at Stripe is pending here; it is not sent again."""
    refund = {"id": "re_1", "object": "refund", "status": "pending", "metadata": {"key": "refund-1"}}
    responses.get(f"{URL}/v1/refunds", json={"object": "list", "data": [refund], "has_more": False})
    with pytest.raises(OutcomeUnknown):
        gateway.refund(REFUND)


def no_refund_yet() -> None:
    responses.get(f"{URL}/v1/refunds", json={"object": "list", "data": [], "has_more": False})


@responses.activate
def test_what_is_refunded_already_is_refunded(gateway: StripeGateway) -> None:
    """By whichever way: the payer has the money, and no refund of ours is to be made for it."""
    no_refund_yet()
    error = {"type": "invalid_request_error", "code": "charge_already_refunded", "message": "Has been refunded."}
    responses.post(f"{URL}/v1/refunds", status=400, json={"error": error})
    outcome = gateway.refund(REFUND)
    assert isinstance(outcome, Approved)
    assert (outcome.transaction_id, outcome.response["result"]) == ("ch_1", "charge_already_refunded")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("charge_disputed", False),
        ("refund_disputed_payment", False),
        ("resource_missing", False),
        ("a_code_of_tomorrow", False),
        ("balance_insufficient", True),
        ("processing_error", True),
    ],
)
@responses.activate
def test_a_refund_is_refused_for_now_or_for_good(gateway: StripeGateway, code: str, retryable: bool) -> None:
    """Stripe's code says which; what it has no word for is for good, and a person looks."""
    no_refund_yet()
    error = {"type": "invalid_request_error", "code": code, "message": "No."}
    responses.post(f"{URL}/v1/refunds", status=400, json={"error": error})
    outcome = gateway.refund(REFUND)
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.retryable) == (code, retryable)


@pytest.mark.parametrize(("reason", "retryable"), [("insufficient_funds", True), ("lost_or_stolen_card", False)])
@responses.activate
def test_a_refund_that_failed_later_says_why(gateway: StripeGateway, reason: str, retryable: bool) -> None:
    """Accepted first and refused by the bank after that."""
    refund = {"id": "re_1", "object": "refund", "status": "failed", "failure_reason": reason}
    found = {"object": "list", "data": [{**refund, "metadata": {"key": "refund-1"}}], "has_more": False}
    responses.get(f"{URL}/v1/refunds", json=found)
    outcome = gateway.find(REFUND)
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.retryable) == (reason, retryable)


@pytest.mark.parametrize(
    ("request_", "step", "code"),
    [(CAPTURE, "capture", "charge_expired_for_capture"), (VOID, "cancel", "payment_intent_unexpected_state")],
)
@responses.activate
def test_a_capture_and_a_void_are_refused_for_good(gateway: StripeGateway, request_: Any, step: str, code: str) -> None:
    """Nothing that a repeat could change."""
    responses.get(f"{INTENTS}/pi_1", json=an_intent(status="requires_capture", metadata={}))
    responses.post(f"{INTENTS}/pi_1", json=an_intent(status="requires_capture"))
    error = {"type": "invalid_request_error", "code": code, "message": "No."}
    responses.post(f"{INTENTS}/pi_1/{step}", status=400, json={"error": error})
    outcome = gateway.capture(request_) if step == "capture" else gateway.void(request_)
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.retryable) == (code, False)


def test_the_key_and_the_token_are_in_no_text(gateway: StripeGateway) -> None:
    """Neither shows when a request or a gateway is printed or logged."""
    assert "pm_card_visa" not in repr(a_charge())
    assert "sk_test" not in repr(gateway)
