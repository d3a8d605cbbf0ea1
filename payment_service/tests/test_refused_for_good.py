"""What a gateway refuses for good is asked for once and waits for a person, who has it taken up or settles it."""

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from payment_service.payments import errors
from payment_service.payments.gateways.base import CaptureRequest, RefundRequest, VoidRequest
from payment_service.payments.models import Payment, Refund
from payment_service.payments.ops.audit import passes as checks
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import blocking
from payment_service.tests.conftest import ORDER, asked, exact, trail
from payment_service.tests.fakes import FakeGateway
from servicekit import exactjson
from servicekit.cards import CardNumber
from servicekit.events.models import Event

pytestmark = pytest.mark.django_db
DISPUTED = "The charge is disputed"
BY_TRANSFER = "Paid back by bank transfer, receipt 4711"


def violations() -> list[str]:
    """What the payment service's own check finds."""
    return [finding.message for each in checks.passes(3600.0) for batch in each.batches() for finding in batch.findings]


def the_payment() -> Payment:
    return Payment.objects.get()


def told(kind: str) -> Any:
    return exactjson.decode(Event.objects.filter(type=kind).latest("position").payload)


@pytest.fixture
def blocked_refund(client: APIClient, gateway: FakeGateway) -> Payment:
    """A paid order is to be voided, and its gateway says: never."""
    charging.charge_payment(asked("50.00"))
    gateway.script = ["refuse"]
    voided = repair.void_payment(ORDER)
    assert not voided.is_done
    return voided.payment


@pytest.fixture
def blocked_void(gateway: FakeGateway) -> Payment:
    charging.charge_payment(asked("50.00", capture=False))
    gateway.script = ["refuse"]
    return repair.void_payment(ORDER).payment


def test_a_refund_of_a_void_is_asked_for_once(
    blocked_refund: Payment, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """One row, FAILED, nothing booked; no worker ever takes it up; the check across the books is content."""
    assert work() == 0
    payment, refund = the_payment(), Refund.objects.get()
    assert (payment.status, payment.blocked, payment.blocked_reason) == (Status.CAPTURED, "refund", DISPUTED)
    assert (payment.due_at, payment.booked, payment.blocked_at is not None) == (None, 0, True)
    assert (refund.status, refund.failure_code, refund.attempt) == ("FAILED", "charge_disputed", 1)
    assert len(gateway.sent(RefundRequest)) == 1
    assert trail() == ["payment.successful", "payment.refund_blocked"]
    assert violations() == []


def test_a_person_sees_it_at_every_door(blocked_refund: Payment, client: APIClient) -> None:
    """The answer of `payments`, the record of `process`, the event and the metric."""
    shown = exact(client.get(f"/api/payments/{ORDER}/"))
    assert (shown["status"], shown["refund_blocked"]) == ("COMPLETED", DISPUTED)
    record = exact(client.get(f"/api/v1/payments/order/{ORDER}"))
    assert (record["blocked"]["operation"], record["blocked"]["reason"]) == ("refund", DISPUTED)
    assert [(each["status"], each["attempts"]) for each in record["refunds"]] == [("failed", 1)]
    event = told("payment.refund_blocked")
    assert (event["blocked"], event["failure_code"], event["reason"]) == ("refund", "charge_disputed", DISPUTED)
    assert (event["status"], str(event["refund_amount"])) == ("CAPTURED", "50.00")
    metrics = client.get("/metrics").content.decode()
    assert 'payments_blocked{operation="refund"} 1.0' in metrics
    assert 'payments_blocked{operation="void"} 0.0' in metrics


def test_the_order_service_is_told(blocked_refund: Payment) -> None:
    """Money is kept that was to go back: it has to show that."""
    assert the_payment().notice_due_at is not None


def test_the_void_asked_for_again_has_it_tried_again_in_the_same_row(
    blocked_refund: Payment, client: APIClient, gateway: FakeGateway
) -> None:
    """Once for each call, under the next key; refused again it waits again, and then it goes back."""
    gateway.script = ["refuse"]
    again = client.post(f"/api/payments/{ORDER}/void/")
    assert (again.status_code, exact(again)["refund_blocked"]) == (202, DISPUTED)
    done = client.post(f"/api/payments/{ORDER}/void/")
    assert (done.status_code, exact(done)["status"]) == (200, "REFUNDED")
    assert "refund_blocked" not in exact(done)
    refund = Refund.objects.get()
    assert (refund.status, refund.attempt, refund.amount, refund.blocked_at) == ("SUCCEEDED", 3, 50, None)
    assert gateway.sent(RefundRequest) == [f"refund-{refund.uid}{end}" for end in ("", "-2", "-3")]
    assert (the_payment().blocked, gateway.held) == ("", 0)
    blocked_and_tried = ["payment.refund_blocked", "payment.taken_up"] * 2
    assert trail() == ["payment.successful", *blocked_and_tried, "payment.refunded"]
    assert violations() == []


def test_settled_by_hand_it_is_refunded_and_says_why(
    blocked_refund: Payment, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """The reason stands with the payment, the refund and the event; nobody asks the gateway again."""
    blocking.settle_by_hand(blocked_refund, reason=f"  {BY_TRANSFER} ", by="root")
    payment, refund = the_payment(), Refund.objects.get()
    assert (payment.status, payment.refunded, payment.refunded_by_hand) == (Status.REFUNDED, 50, 50)
    assert (payment.blocked, payment.settled_reason) == ("", BY_TRANSFER)
    assert (refund.status, refund.settled_reason) == ("SUCCEEDED", BY_TRANSFER)
    event = told("payment.refunded")
    assert (event["settled_by_hand"], event["by"], event["refund_id"]) == (BY_TRANSFER, "root", str(refund.uid))
    assert (work(), len(gateway.sent(RefundRequest))) == (0, 1)
    assert violations() == []


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_is_settled(blocked_refund: Payment, reason: str) -> None:
    """The reason is what is kept."""
    with pytest.raises(errors.ReasonRequired):
        blocking.settle_by_hand(blocked_refund, reason=reason)
    assert the_payment().blocked == "refund"


def test_a_reason_is_no_card_number(blocked_refund: Payment) -> None:
    """It would be kept for good."""
    with pytest.raises(CardNumber):
        blocking.settle_by_hand(blocked_refund, reason="Paid back to 4242 4242 4242 4242")
    assert the_payment().blocked == "refund"


def test_what_waits_for_nobody_is_neither_taken_up_nor_settled(gateway: FakeGateway) -> None:
    """409, and nothing is written."""
    payment = charging.charge_payment(asked()).payment
    for act in (blocking.take_up, lambda one: blocking.settle_by_hand(one, reason="x")):
        with pytest.raises(errors.NotBlocked):
            act(payment)
    assert trail() == ["payment.successful"]


def test_a_void_refused_for_good_is_asked_for_once(
    blocked_void: Payment, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """The money stays set aside, and a person sees it; asked for again it is tried again."""
    assert (work(), gateway.sent(VoidRequest)) == (0, [f"order-{ORDER}-void-1"])
    payment = the_payment()
    assert (payment.status, payment.blocked, payment.blocked_reason) == (Status.AUTHORIZED, "void", DISPUTED)
    assert trail() == ["payment.authorized", "payment.void_blocked"]
    assert violations() == []
    assert repair.void_payment(ORDER).is_done
    assert gateway.sent(VoidRequest) == [f"order-{ORDER}-void-1", f"order-{ORDER}-void-2"]
    assert (the_payment().status, the_payment().blocked) == (Status.VOIDED, "")
    assert violations() == []


def test_a_void_refused_for_now_is_asked_for_again(gateway: FakeGateway, work: Callable[[], int]) -> None:
    """Not at once, and under another key."""
    charging.charge_payment(asked("50.00", capture=False))
    gateway.script = ["decline"]
    payment = repair.void_payment(ORDER).payment
    assert (payment.blocked, payment.due_at is not None, payment.failure_code) == ("", True, "insufficient_funds")
    work()
    assert gateway.sent(VoidRequest) == [f"order-{ORDER}-void-1", f"order-{ORDER}-void-2"]
    assert (the_payment().status, the_payment().failure_code) == (Status.VOIDED, "")


def test_a_void_settled_by_hand_is_voided(blocked_void: Payment, gateway: FakeGateway) -> None:
    """It was released some other way; no charge may follow."""
    blocking.settle_by_hand(blocked_void, reason="Released by the bank on the phone")
    payment = the_payment()
    assert (payment.status, payment.settled_reason) == (Status.VOIDED, "Released by the bank on the phone")
    assert told("payment.voided")["settled_by_hand"] == "Released by the bank on the phone"
    with pytest.raises(errors.PaymentVoided):
        charging.charge_payment(asked("50.00"))
    assert violations() == []


def test_a_capture_refused_for_good_is_seen_and_can_be_asked_for_again(gateway: FakeGateway) -> None:
    """No worker repeats it; the client may, or void it."""
    payment = charging.charge_payment(asked("50.00", capture=False)).payment
    gateway.script = ["refuse"]
    refused = capturing.capture_payment(payment, amount=None)
    assert (refused.status, refused.blocked, refused.due_at) == (Status.AUTHORIZED, "capture", None)
    assert (told("payment.capture_blocked")["blocked"], refused.failure_code) == ("capture", "charge_disputed")
    assert violations() == []
    with pytest.raises(errors.CaptureBlocked):
        blocking.take_up(refused)
    captured = capturing.capture_payment(refused, amount=None)
    assert (captured.status, captured.blocked, len(gateway.sent(CaptureRequest))) == (Status.CAPTURED, "", 2)
    assert violations() == []


def test_a_void_ends_a_blocked_capture(gateway: FakeGateway) -> None:
    """Nothing is held any more, so nobody has to look."""
    payment = charging.charge_payment(asked("50.00", capture=False)).payment
    gateway.script = ["refuse"]
    capturing.capture_payment(payment, amount=None)
    assert repair.void_payment(ORDER).is_done
    assert (the_payment().status, the_payment().blocked) == (Status.VOIDED, "")


def test_a_refund_that_was_promised_is_kept_up(gateway: FakeGateway, work: Callable[[], int]) -> None:
    """Answered `pending`, refused for now when it is found out: the same row goes on."""
    payment = charging.charge_payment(asked("50.00")).payment
    gateway.script = ["unavailable"]
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=None)
    assert refund.status == "PENDING"
    gateway.script = ["decline"]
    work()
    found = Refund.objects.get()
    assert (found.uid, found.status, found.attempt) == (refund.uid, "SUCCEEDED", 2)


def test_a_refund_that_was_promised_and_is_refused_for_good_waits_for_a_person(
    gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """Whoever asked was told that it is accepted. Taken up it is asked for in its own row, over its own amount."""
    payment = charging.charge_payment(asked("50.00")).payment
    gateway.script = ["unavailable"]
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=Decimal("20.00"))
    gateway.script = ["refuse"]
    work()
    assert (the_payment().blocked, the_payment().booked, Refund.objects.get().status) == ("refund", 0, "FAILED")
    assert violations() == []
    # Another refund that succeeds says nothing of this one.
    refunding.refund_payment(the_payment(), uid=uuid4(), amount=Decimal("5.00"))
    assert (the_payment().blocked, the_payment().status) == ("refund", Status.PARTIALLY_REFUNDED)
    assert violations() == []
    blocking.take_up(the_payment())
    work()
    assert [(each.uid == refund.uid, each.amount) for each in Refund.objects.order_by("number")] == [
        (True, 20),
        (False, 5),
    ]
    assert (the_payment().refunded, the_payment().blocked, gateway.held) == (25, "", 25)
    assert violations() == []


def test_a_promised_part_asked_for_again_without_a_key_is_still_promised(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """At `/v1/payments`: the same row; refused for good once more it waits for a person once more."""
    number = charging.charge_payment(asked("50.00")).payment.number
    url, part = f"/v1/payments/{number}/refund", {"amount": "3.00"}
    gateway.script = ["unavailable"]
    assert client.post(url, part, format="json").status_code == 202
    gateway.script = ["refuse"]
    work()
    gateway.script = ["refuse"]
    assert client.post(url, part, format="json").status_code == 402
    assert (the_payment().blocked, Refund.objects.get().status, Refund.objects.get().attempt) == ("refund", "FAILED", 2)
    assert client.post(url, part, format="json").status_code == 200
    assert (the_payment().blocked, Refund.objects.get().status, gateway.held) == ("", "SUCCEEDED", 47)
    assert violations() == []


def test_a_refund_whose_client_is_told_of_the_refusal_is_the_clients_own_affair(gateway: FakeGateway) -> None:
    """FAILED, not blocked: who asked decides what comes next."""
    payment = charging.charge_payment(asked("50.00")).payment
    gateway.script = ["refuse"]
    refund = refunding.refund_payment(payment, uid=uuid4(), amount=None)
    assert (refund.status, the_payment().blocked, the_payment().booked) == ("FAILED", "", 0)


def test_the_command_lists_takes_up_and_settles(blocked_refund: Payment, work: Callable[[], int]) -> None:
    """What can be done in the admin can be scripted."""

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("blocked_payments", *arguments, stdout=out)
        return out.getvalue()

    number = str(blocked_refund.number)
    assert f"{number} {blocked_refund.reference} order {ORDER}: refund of 50.00 USD since " in run()
    assert DISPUTED in run()
    with pytest.raises(CommandError, match="Say why"):
        run("--settle", number)
    run("--take-up", number)
    assert (run(), the_payment().booked) == ("", 50)
    with pytest.raises(CommandError, match="refuses nothing"):
        run("--settle", number, "--reason", BY_TRANSFER)
    work()
    assert the_payment().status == Status.REFUNDED


@pytest.mark.parametrize(("action", "status"), [("take_up_again", "CAPTURED"), ("settle_by_hand", "REFUNDED")])
def test_a_person_acts_in_the_admin(blocked_refund: Payment, action: str, status: str) -> None:
    """The list finds what is blocked, and has both ways; who did it is told."""
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    url = "/admin/payments/payment/"
    assert blocked_refund.reference in client.get(f"{url}?blocked__exact=refund").content.decode()
    form = {"action": action, "_selected_action": [blocked_refund.number], "reason": BY_TRANSFER}
    assert client.post(url, form, follow=True).status_code == 200
    payment = the_payment()
    assert (payment.status, payment.blocked, payment.booked) == (status, "", 50)
    kind = "payment.taken_up" if action == "take_up_again" else "payment.refunded"
    assert (told(kind)["by"], Event.objects.get(type=kind).actor) == ("root", "root")


def test_only_who_may_change_payments_acts_in_the_admin(blocked_refund: Payment) -> None:
    """Looking is another permission."""
    client = Client()

    looker = User.objects.create_user("looker", password="x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client.force_login(looker)
    form = {"action": "settle_by_hand", "_selected_action": [blocked_refund.number], "reason": BY_TRANSFER}
    client.post("/admin/payments/payment/", form, follow=True)
    assert the_payment().blocked == "refund"
