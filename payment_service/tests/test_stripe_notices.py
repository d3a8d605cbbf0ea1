"""What Stripe tells later, signed, each once: a dispute blocks a refund of the same money, a refund fails after all."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.core.management import call_command
from django.test import Client

from payment_service.bank import books
from payment_service.bank.models import Confirmation, Hold
from payment_service.payments.errors import NotRefundable, PaymentDisputed, RefundExceedsCaptured
from payment_service.payments.models import Dispute, GatewayNotice, Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import charging, refunding, repair
from payment_service.payments.writes import blocking
from payment_service.tests.conftest import asked
from servicekit.events.models import Event
from servicekit.tests.checking import check
from servicekit.tests.scraping import scrape_samples

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bank")]

SECRET = "whsec_of_the_tests"
PATH = "/webhooks/stripe/"


@pytest.fixture(autouse=True)
def expected(settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_the_next_one", SECRET]


def charge(order_id: str, amount: str = "50.00", **more: Any) -> Payment:
    return charging.charge_payment(asked(amount, order_id=order_id, **more)).payment


def signature(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    mac = stripe.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return f"t={moment},v1={mac}"


def tell(kind: str, thing: Any, *, reference: str | None = None, sign: Callable[[bytes], str] = signature) -> Any:
    event = {"id": reference or f"evt_{uuid4().hex}", "type": kind, "data": {"object": thing}}
    body = json.dumps(event).encode()
    return Client().post(PATH, body, content_type="application/json", headers={"Stripe-Signature": sign(body)})


def dispute(payment: Payment, units: int, status: str = "needs_response", **more: Any) -> dict[str, Any]:
    about = {"id": f"dp_{payment.number}", "charge": payment.transaction_id, "payment_intent": None}
    return {**about, "amount": units, "currency": "usd", "reason": "fraudulent", "status": status, **more}


def bounce(payment: Payment) -> None:
    """The bank has the refunded money again."""
    assert Hold.objects.filter(transaction_id=payment.transaction_id).update(refunded=0) == 1


def now(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


# ---- who says it


@pytest.mark.parametrize(
    "sign",
    [
        lambda _: "",
        lambda _: "t=1,v1=00",
        lambda body: signature(body, secret="whsec_another"),
        lambda body: signature(body + b" "),
        lambda body: signature(body, at=time.time() - 301),
        lambda body: signature(body).replace("v1=", "v0="),
    ],
    ids=["none", "nonsense", "another secret", "another body", "old", "another scheme"],
)
def test_what_is_not_signed_by_stripe_is_refused(sign: Callable[[bytes], str]) -> None:
    """400, and nothing is done."""
    payment = charge("1")
    answer = tell("charge.dispute.created", dispute(payment, 1000), sign=sign)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    assert not Dispute.objects.exists()
    assert not GatewayNotice.objects.exists()


def test_without_a_secret_nothing_is_taken(settings: Any) -> None:
    """Stripe tells it again later."""
    settings.STRIPE_WEBHOOK_SECRETS = []
    answer = tell("charge.dispute.created", {})
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_not_expected")


@pytest.mark.parametrize(
    "thing", [{}, {"id": "dp_1"}, {"id": "dp_1", "status": "lost", "currency": "usd", "amount": "x"}]
)
def test_what_cannot_be_read_is_refused(thing: Any) -> None:
    """Signed or not."""
    assert tell("charge.dispute.created", thing).status_code == 400


@pytest.mark.parametrize("kind", ["customer.created", "charge.dispute.created", "refund.failed"])
def test_what_is_of_no_interest_is_taken_and_forgotten(kind: str) -> None:
    """A type that means nothing here, a charge or a refund that is not ours."""
    thing = {"id": "x_1", "charge": "ch_unknown", "amount": 100, "currency": "usd", "status": "failed"}
    answer = tell(kind, thing)
    assert (answer.status_code, answer.json()["is_new"]) == (200, True)
    assert not Dispute.objects.exists()


# ---- disputes


def test_a_dispute_is_recorded_once_and_blocks_a_refund_of_the_same_money() -> None:
    """It is a record, an event, a metric and a line of the reconciliation; what is not disputed can go back."""
    payment = charge("1")  # 50.00
    for is_new in (True, False):
        answer = tell("charge.dispute.created", dispute(payment, 3000), reference="evt_1")
        assert (answer.status_code, answer.json()["is_new"]) == (200, is_new)
    tell("charge.dispute.updated", dispute(payment, 3000, "under_review"))
    recorded = Dispute.objects.get()
    assert (recorded.amount, recorded.status, recorded.reason) == (Decimal("30.00"), "OPEN", "fraudulent")
    event = Event.objects.get(type="payment.disputed")
    said = json.loads(event.payload, parse_float=Decimal)
    assert (said["dispute_amount"], said["dispute_status"]) == (Decimal("30.00"), "OPEN")
    payment = now(payment)
    with pytest.raises(PaymentDisputed):
        refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("20.01"))
    with pytest.raises(RefundExceedsCaptured):
        refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("50.01"))
    assert not Refund.objects.exists()
    refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("20.00"))
    assert (now(payment).refunded, now(payment).disputed) == (Decimal("20.00"), Decimal("30.00"))
    assert check().violations == []
    metrics = scrape_samples(Client().get)
    assert metrics["payments_disputed",] == 1
    assert metrics["payments_disputes_total", "OPEN"] == 1


@pytest.mark.parametrize(("status", "left"), [("won", "50.00"), ("lost", "0.00"), ("warning_closed", "50.00")])
def test_a_dispute_ends(status: str, left: str) -> None:
    """Won, the money is ours again; lost, it is gone. A late notice opens nothing again."""
    payment = charge("1")
    tell("charge.dispute.created", dispute(payment, 5000))
    tell("charge.dispute.closed", dispute(payment, 5000, status))
    tell("charge.dispute.updated", dispute(payment, 5000, "under_review"))
    assert now(payment).refundable == Decimal(left)
    assert Dispute.objects.get().closed_at is not None
    assert [each.type for each in Event.objects.filter(type__contains="disput").order_by("position")] == [
        "payment.disputed",
        "payment.dispute_closed",
    ]
    assert check().violations == []


def test_a_void_of_what_is_disputed_waits_for_a_person_and_goes_on_once_it_is_won() -> None:
    """The money must not go back twice."""
    payment = charge("1")
    tell("charge.dispute.created", dispute(payment, 5000))
    voided = repair.void_payment("1").payment
    assert (voided.blocked, voided.refunded, Refund.objects.count()) == ("refund", 0, 0)
    assert check().violations == []
    tell("charge.dispute.closed", dispute(payment, 5000, "won"))
    repair.payments_once()
    assert now(payment).status == Status.REFUNDED
    assert check().violations == []


@pytest.mark.parametrize("when", ["lost, then voided", "voided, then lost"])
@pytest.mark.parametrize(("units", "by_the_gateway"), [(5000, []), (3000, [Decimal("20.00")])])
def test_a_void_of_what_was_lost_counts_it_as_refunded(when: str, units: int, by_the_gateway: list[Decimal]) -> None:
    """The payer has it from the bank: only the rest goes back by the gateway, and nobody has to look."""
    payment = charge("1")
    tell("charge.dispute.created", dispute(payment, units))
    if when == "voided, then lost":
        repair.void_payment("1")
    tell("charge.dispute.closed", dispute(payment, units, "lost"))
    repair.void_payment("1")
    repair.payments_once()
    lost = Decimal(units) / 100
    found = now(payment)
    assert (found.status, found.blocked, found.disputed) == (Status.REFUNDED, "", 0)
    assert (found.refunded, found.refunded_by_hand) == (Decimal("50.00"), lost)
    own = Refund.objects.exclude(transaction_id=None)
    assert [each.amount for each in own] == by_the_gateway
    assert Hold.objects.get(transaction_id=payment.transaction_id).refunded == Decimal("50.00") - lost
    tell("charge.dispute.closed", dispute(payment, units, "lost"))
    assert now(payment).version == found.version
    assert check().violations == []


def test_a_dispute_of_what_was_refunded_is_a_violation() -> None:
    """More went back than was taken: a person has to say so to the gateway."""
    payment = charge("1")
    refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("40.00"))
    tell("charge.dispute.created", dispute(now(payment), 5000))
    (found,) = check().violations
    assert found[0] == "disputed_and_refunded_within_captured"
    assert found[2] == "50.00 is disputed and 40.00 refunded, of 50.00 captured"
    Payment.objects.update(disputed=Decimal("1.00"))
    assert ("disputed_and_refunded_within_captured", found[1], "it says 1.00 disputed, its disputes come to 50.00") in (
        check().violations
    )


def test_a_dispute_is_a_line_of_the_reconciliation(tmp_path: Path) -> None:
    """Beside whatever else differs."""
    payment = charge("1")
    tell("charge.dispute.created", dispute(payment, 5000))
    file, output = tmp_path / "bank.csv", StringIO()
    call_command("export_settlements", str(file), stdout=StringIO())
    with pytest.raises(SystemExit):
        call_command("reconcile", "--against", str(file), "--gateway", "simulated", stdout=StringIO(), stderr=output)
    assert "disputed" in output.getvalue()
    assert "50.00 USD disputed" in output.getvalue()


# ---- a refund that fails after it succeeded


@pytest.mark.parametrize("kind", ["refund.failed", "charge.refund.updated"])
def test_a_refund_that_fails_later_waits_for_a_person(kind: str) -> None:
    """Its money is here again: said by an event, shown as blocked, and taken up again in its own row."""
    payment = charge("1")
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("20.00"))
    failed = {"id": refund.transaction_id, "status": "failed", "failure_reason": "expired_or_canceled_card"}
    bounce(payment)
    for _ in range(2):
        assert tell(kind, failed).status_code == 200
    refund, payment = Refund.objects.get(), now(payment)
    assert (refund.status, refund.failure_code) == ("FAILED", "expired_or_canceled_card")
    assert (payment.status, payment.refunded, payment.booked) == (Status.CAPTURED, 0, 0)
    assert (payment.blocked, Event.objects.filter(type="payment.refund_failed").count()) == ("refund", 1)
    assert check().violations == []
    blocking.take_up(payment)
    repair.refunds_once()
    assert (now(payment).status, now(payment).refunded) == (Status.PARTIALLY_REFUNDED, Decimal("20.00"))
    assert check().violations == []


def test_a_full_refund_that_fails_later_is_known_by_our_key() -> None:
    """Where Stripe names it before we have heard its id."""
    payment = charge("1")
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=None)
    Refund.objects.update(transaction_id=None)
    bounce(payment)
    told = {"id": "re_1", "status": "failed", "metadata": {"key": refunding.refund_key(refund)}}
    tell("refund.failed", told)
    assert (now(payment).status, now(payment).blocked) == (Status.CAPTURED, "refund")
    assert check().violations == []
    with pytest.raises(NotRefundable):
        refunding.refund_payment(charge("2", token="tok_card_declined"), uid=uuid4(), amount=None)


# ---- a charge


def test_a_charge_that_came_to_something_is_looked_at_at_once() -> None:
    """The notice is only a reason to ask: whoever carries on asks the gateway."""
    payment = charge("1", token="tok_charge_then_lose_reply")
    assert payment.status == Status.PROCESSING
    tell("payment_intent.succeeded", {"id": "pi_1", "metadata": {"order_id": "1"}})
    repair.payments_once()
    assert now(payment).status == Status.CAPTURED


@pytest.mark.parametrize(
    ("kind", "is_yes", "ended"),
    [
        ("payment_intent.succeeded", True, Status.CAPTURED),
        ("payment_intent.payment_failed", False, Status.FAILED),
        ("payment_intent.canceled", False, Status.FAILED),
    ],
)
def test_a_payer_who_has_answered_is_heard_at_once(kind: str, is_yes: bool, ended: str) -> None:
    """However long the next look is away; what is told is not believed, and told twice it changes nothing more."""
    payment = charge("1", token="tok_3ds_ok")
    told = {"id": payment.payment_intent_id, "metadata": {"order_id": "1"}}
    tell(kind, told)
    repair.payments_once()
    assert now(payment).status == Status.REQUIRES_ACTION
    books.answer(Confirmation.objects.get(), is_yes=is_yes)
    assert repair.payments_once() == 0
    for _ in range(2):
        tell(kind, told)
        repair.payments_once()
    assert now(payment).status == ended
    assert Event.objects.count() == 2
