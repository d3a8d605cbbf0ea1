"""The simulated bank: its books, its chance, and every magic token, through the door that clients use."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from payment_service.bank import books, tokens
from payment_service.bank.models import Entry, Hold
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import Approved, ChargeRequest, Declined, OutcomeUnknown
from payment_service.payments.gateways.simulated import SimulatedGateway
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.settings import HERE
from payment_service.tests.conftest import ORDER, asked, exact

pytestmark = pytest.mark.django_db


def a_gateway(**options: Any) -> SimulatedGateway:
    defaults = {"success_rate": 1.0, "delay_s": (0, 0), "timeout_s": 0, "slow_s": 60, "seed": "s"}
    return SimulatedGateway(**{**defaults, "sleep": lambda _: None, **options})


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> SimulatedGateway:
    """The registry's simulated gateway, without its delays, always approving what is left to chance."""
    gateway = a_gateway()
    monkeypatch.setattr(registry, "_MAKERS", {**registry._MAKERS, "simulated": lambda: gateway})
    registry.gateway.cache_clear()
    return gateway


def pay(client: APIClient, token: str) -> Any:
    body = {"order_id": ORDER, "amount": 50, "method": "CARD", "payment_method_details": {"token": token}}
    return exact(client.post("/api/payments/", body, format="json"))


def request(key: str, token: str = "") -> ChargeRequest:
    return ChargeRequest(key=key, order_id=ORDER, amount=Decimal("50.00"), currency="USD", token=token)


@pytest.mark.parametrize(
    ("token", "answers"),
    [
        ("tok_ok", ["COMPLETED"]),
        ("anything", ["COMPLETED"]),
        ("tok_insufficient_funds", ["FAILED insufficient_funds True"] * 2),
        ("tok_card_declined", ["FAILED card_declined False"] * 2),
        ("tok_expired_card", ["FAILED expired_card False"]),
        ("tok_processing_error", ["FAILED processing_error True"]),
        ("tok_incorrect_cvc", ["FAILED incorrect_cvc False"]),
        ("tok_lost_card", ["FAILED lost_card False"]),
        ("tok_fraudulent", ["FAILED fraudulent False"]),
        ("tok_try_again_later", ["FAILED try_again_later True"]),
        ("tok_decline_then_approve", ["FAILED insufficient_funds True", "COMPLETED"]),
        ("tok_decline_twice_then_approve", [*["FAILED processing_error True"] * 2, "COMPLETED"]),
        ("tok_unavailable", ["FAILED gateway_unavailable True"] * 3),
        ("tok_unavailable_once", ["FAILED gateway_unavailable True", "COMPLETED"]),
        ("tok_charge_then_lose_reply", ["PENDING", "COMPLETED"]),
        ("tok_lose_request", ["PENDING", "COMPLETED"]),
        ("tok_slow", ["PENDING", "PENDING"]),
    ],
)
def test_each_token_does_what_its_table_says(client: APIClient, token: str, answers: list[str]) -> None:
    """What a client of the first door sees, charge after charge of one order."""
    seen = []
    for _ in answers:
        body = pay(client, token)
        more = f" {body['failure_code']} {body['retryable']}" if "failure_code" in body else ""
        seen.append(body["status"] + more)
    assert seen == answers
    assert Hold.objects.count() <= 1


def test_a_slow_charge_is_found_when_it_is_done(client: APIClient, work: Callable[[], int]) -> None:
    """Not failed early: it is looked for again until the bank knows it, and charged once."""
    pay(client, "tok_slow")
    with pytest.raises(AssertionError, match="never comes to an end"):
        work()
    Entry.objects.update(known_from=None)
    work()
    assert exact(client.get(f"/api/payments/{ORDER}/"))["status"] == "COMPLETED"
    assert Hold.objects.get().captured == 50


def test_a_slow_charge_of_a_voided_order_goes_back(client: APIClient, work: Callable[[], int]) -> None:
    """It comes long after everybody gave up; nothing of it stays."""
    pay(client, "tok_slow")
    repair.void_payment(ORDER)
    Entry.objects.update(known_from=None)
    work()
    assert (Payment.objects.get().status, Hold.objects.get().refunded) == (Status.REFUNDED, 50)


def test_a_capture_may_fail(client: APIClient) -> None:
    """tok_capture_fails: set aside, but never taken."""
    payment = charging.charge_payment(asked(capture=False, token="tok_capture_fails")).payment
    refused = capturing.capture_payment(payment, amount=None)
    assert (refused.status, refused.failure_code) == (Status.AUTHORIZED, "capture_failed")
    assert Hold.objects.get().captured == 0


def test_a_void_may_fail(client: APIClient) -> None:
    """tok_void_fails: set aside, and the bank will not let go, ever; a person has to see to it."""
    charging.charge_payment(asked(capture=False, token="tok_void_fails"))
    voided = repair.void_payment(ORDER)
    assert (voided.is_done, voided.payment.status, voided.payment.failure_code) == (False, "AUTHORIZED", "void_failed")
    assert (voided.payment.due_at, voided.payment.blocked) == (None, "void")


@pytest.mark.parametrize(
    ("token", "statuses"),
    [
        ("tok_refund_fails", ["FAILED", "FAILED"]),
        ("tok_refund_fails_once", ["FAILED", "SUCCEEDED"]),
        ("tok_refund_then_lose_reply", ["PENDING"]),
    ],
)
def test_a_refund_may_fail(token: str, statuses: list[str]) -> None:
    """A refused one frees its amount, one without an answer keeps it booked."""
    payment = charging.charge_payment(asked(token=token)).payment
    seen = [refunding.refund_payment(payment, uid=uuid4(), amount=None).status for _ in statuses]
    assert seen == statuses


def test_what_the_bank_has_given_back_by_itself_is_refunded() -> None:
    """Already refunded is refunded: no second time, and the same answer under the same key."""
    payment = charging.charge_payment(asked(token="tok_ok")).payment
    Hold.objects.update(refunded=50)
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=None)
    assert (refund.status, Hold.objects.get().refunded) == ("SUCCEEDED", 50)
    assert Payment.objects.get().status == Status.REFUNDED


@pytest.mark.parametrize(
    ("token", "row"), [("tok_refund_fails", ("FAILED", 1)), ("tok_refund_fails_once", ("SUCCEEDED", 2))]
)
def test_a_void_makes_one_refund_however_often_it_is_refused(
    token: str, row: tuple[str, int], work: Callable[[], int]
) -> None:
    """For good: asked for once. For now: asked for again, in the same row."""
    charging.charge_payment(asked(token=token))
    repair.void_payment(ORDER)
    work()
    assert list(Refund.objects.values_list("status", "attempt")) == [row]


def test_a_lost_refund_reply_is_found(work: Callable[[], int]) -> None:
    """Paid out once, known in the end."""
    payment = charging.charge_payment(asked(token="tok_refund_then_lose_reply")).payment
    refunding.refund_payment(payment, uid=uuid4(), amount=None)
    work()
    assert (Payment.objects.get().status, Hold.objects.get().refunded) == (Status.REFUNDED, 50)


def test_the_same_seed_draws_the_same_outcomes() -> None:
    """A run can be repeated; another seed draws differently; the rate is about what was asked for."""

    def outcomes(seed: str) -> list[str]:
        gateway = a_gateway(seed=seed, success_rate=0.5)
        return [gateway._decline_code(request(f"key-{n}"), tokens.ORDINARY, 1) for n in range(200)]

    assert outcomes("a") == outcomes("a")
    assert outcomes("a") != outcomes("b")
    assert 70 < outcomes("a").count("") < 130
    assert set(outcomes("a")) == {"", *tokens.USUAL_DECLINES}


def test_the_success_rate_is_kept_at_its_ends() -> None:
    """0 never approves, 1 always."""
    assert isinstance(a_gateway(success_rate=0.0).charge(request("k1")), Declined)
    assert isinstance(a_gateway(success_rate=1.0).charge(request("k2")), Approved)


def test_answers_take_as_long_as_is_set() -> None:
    """Between the shortest and the longest delay, and the time-out for a slow one."""
    waits: list[float] = []
    gateway = a_gateway(delay_s=(0.02, 0.08), timeout_s=4.0, sleep=waits.append)
    gateway.charge(request("k1"))
    assert 0.02 <= waits[0] <= 0.08
    with pytest.raises(OutcomeUnknown):
        gateway.charge(request("k2", "tok_slow"))
    assert waits[1:] == [4.0]


def test_only_magic_tokens_are_kept() -> None:
    """Anything else might be a secret, and is nowhere in the books."""
    a_gateway().charge(request("k1", "4242424242424242"))
    assert Hold.objects.get().token == ""


@pytest.mark.django_db(transaction=True)
def test_the_bank_books_in_no_transaction_of_ours() -> None:
    """What a caller rolls back would otherwise take the bank's entry with it."""
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        a_gateway().charge(request("k1"))
    assert Entry.objects.count() == 0


def test_a_request_for_an_unknown_transaction_is_declined() -> None:
    """A payment that came from elsewhere has no money at this bank."""
    books.capture("k1", transaction_id="txn_0", amount=Decimal("1.00"))
    books.release("k2", transaction_id="txn_0")
    books.refund("k3", transaction_id="txn_0", amount=Decimal("1.00"))
    assert list(Entry.objects.order_by("key").values_list("decline_code", flat=True)) == [
        "nothing_set_aside",
        "nothing_set_aside",
        "amount_too_large",
    ]


def test_every_token_stands_in_the_documentation() -> None:
    """docs/gateways.md has the table as the code has it."""
    document = Path(HERE.parent / "docs" / "gateways.md").read_text()
    for token, script in tokens.SCRIPTS.items():
        assert f"| `{token}` | {script.meaning} |" in document
    for code, decline in tokens.DECLINES.items():
        assert f"| `{code}` | {decline.message} | {'yes' if decline.retryable else 'no'} |" in document
