"""`manage.py check_invariants` passes on a healthy ledger and finds each planted violation by name, with its id."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from payment_service.bank.models import Entry, Hold
from payment_service.payments.models import Payment, Refund
from payment_service.payments.ops.audit import replay, waiting
from payment_service.payments.states import EVENTS, RefundStatus, Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import blocking
from payment_service.tests.conftest import asked
from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.checking import check, unchecked

Plant = Callable[[Payment], object]


def charge(order_id: str, amount: str = "50.00", **more: Any) -> Payment:
    return charging.charge_payment(asked(amount, order_id=order_id, **more)).payment


@pytest.fixture
def healthy(bank: None) -> None:
    """Payments of every kind, at the bank and direct: the number of the order says what became of each."""
    charge("1")
    charge("2", token="tok_card_declined")
    refunding.refund_payment(charge("3"), uid=uuid4(), amount=Decimal("20.00"))
    refunding.refund_payment(charge("4"), uid=uuid4(), amount=None)
    charge("5", capture=False)
    repair.void_payment(charge("6", capture=False).order_id)
    capturing.capture_payment(charge("7", capture=False), amount=Decimal("30.00"))
    repair.void_payment("8")
    repair.void_payment(charge("9").order_id)
    charge("10", method="DIRECT")
    charge("11", token="tok_charge_then_lose_reply")
    for order_id, token, captured in (("12", "tok_refund_fails", True), ("13", "tok_void_fails", False)):
        repair.void_payment(charge(order_id, token=token, capture=captured).order_id)
    capturing.capture_payment(charge("14", token="tok_capture_fails", capture=False), amount=None)
    for order_id, token, captured in (("15", "tok_refund_fails", True), ("16", "tok_void_fails", False)):
        voided = repair.void_payment(charge(order_id, token=token, capture=captured).order_id)
        blocking.settle_by_hand(voided.payment, reason="Paid back by bank transfer")
    Payment.objects.update(notice_due_at=None)
    Event.objects.update(published_at=timezone.now())


def payment_of(order_id: str) -> Payment:
    return Payment.objects.get(order_id=order_id)


def row(payment: Payment, **changes: object) -> None:
    """Write past the one door."""
    Payment.objects.filter(pk=payment.pk).update(**changes)


def hold(payment: Payment, **changes: object) -> None:
    """Money moves at the gateway, and nobody tells the ledger."""
    assert Hold.objects.filter(transaction_id=payment.transaction_id).update(**changes) == 1


def test_what_waits_for_a_person_is_counted(healthy: None) -> None:
    """Beside the invariants, which hold; nothing is said where nothing waits."""
    output = StringIO()
    call_command("check_invariants", stdout=output)
    said = output.getvalue().splitlines()
    assert said[-2] == "WAIT  3 blocked payments for a person: manage.py blocked_payments lists them"
    assert "payment_service: every invariant holds." in said[-1]
    Payment.objects.filter(blocked_at__isnull=False).update(blocked_at=None)
    output = StringIO()
    call_command("check_invariants", stdout=output)
    assert "WAIT" not in output.getvalue()


def test_a_healthy_ledger_passes(healthy: None) -> None:
    """Every invariant holds, and it says how many rows it looked at. An answer that was lost is under way."""
    checked = check()
    assert (checked.status, checked.violations) == (0, [])
    assert checked.looked_at == {
        "payments": 16,
        "gateway charges": 13,
        "confirmations": 0,
        "payments at the gateway": 12,
        "events": Event.objects.count(),
        "keys": 0,
        "published events": Event.objects.count(),
        "webhook deliveries": 0,
    }
    assert [name for name, verdict in checked.verdicts.items() if verdict != "pass"] == [
        "confirmation_is_waited_for",
        "a_key_has_one_answer",
        "what_was_answered_is_kept",
        "a_delivery_is_what_its_attempts_say",
        "deliveries_are_made",
    ]


def test_only_reads(healthy: None) -> None:
    """No statement is sent that could write."""
    assert check().only_read


def test_an_empty_ledger_is_no_pass(db: None) -> None:
    """Nothing was proven: exit status 2."""
    checked = check()
    assert (checked.status, checked.violations) == (2, [])


def test_what_is_under_way_is_no_violation_until_it_is_late(healthy: None) -> None:
    """With nothing allowed to be under way any more, the payment without an answer is found."""
    late = payment_of("11")
    assert late.status == Status.PROCESSING
    assert check(quiet_for=0).broken == {
        ("no_payment_is_left_unfinished", f"payment {late.uid} (order 11)"),
    }
    row(late, updated_at=timezone.now() - timedelta(seconds=200))
    assert check().broken == {("no_payment_is_left_unfinished", f"payment {late.uid} (order 11)")}


def test_an_import_is_healthy(healthy: None, tmp_path: Path) -> None:
    """Payments of another system, a refunded one too, with the one event that tells of both."""
    header = "payment_id,order_id,amount,method,status,reference,created_at,refunded\n"
    rows = [
        "901,901,561.00,CARD,SUCCESS,A-1,2025-11-10 12:05:00,false",
        "902,902,12.00,UPI,FAILED,A-2,2025-11-10 12:05:00,0",
        "903,903,77.00,COD,SUCCESS,A-3,2025-11-10 12:05:00,true",
    ]
    (tmp_path / "old.csv").write_text(header + "\n".join(rows))
    call_command("import_payments", str(tmp_path / "old.csv"))
    checked = check()
    assert (checked.status, checked.violations, checked.looked_at["payments"]) == (0, [], 19)


def delete_events(payment: Payment) -> None:
    Event.objects.filter(aggregateid=str(payment.uid)).delete()


def change_event(payment: Payment, old: str, new: str) -> None:
    event = Event.objects.filter(aggregateid=str(payment.uid)).latest("sequence")
    assert old in event.payload
    Event.objects.filter(pk=event.pk).update(payload=event.payload.replace(old, new))


def retell(payment: Payment) -> None:
    """Captured once more, after a part was refunded."""
    first = Event.objects.filter(aggregateid=str(payment.uid)).earliest("sequence")
    Event.objects.create(
        aggregatetype="payment",
        aggregateid=str(payment.uid),
        type=first.type,
        sequence=payment.version,
        payload=first.payload,
        published_at=timezone.now(),
    )


def recount(payment: Payment) -> None:
    row(payment, version=payment.version + 1)
    payment.refresh_from_db()


def lose_refund(payment: Payment) -> None:
    Refund.objects.filter(payment=payment).delete()


def double_refund(payment: Payment) -> None:
    Refund.objects.create(payment=payment, amount=Decimal("20.00"), status=RefundStatus.SUCCEEDED.value)


# Invariant, order, what is planted.
PLANTED: list[tuple[str, str, Plant]] = [
    ("refunded_within_captured_within_authorised", "1", lambda p: row(p, captured=Decimal("60.00"))),
    ("refunded_within_captured_within_authorised", "3", lambda p: row(p, refunded=Decimal("60.00"))),
    ("refunded_within_captured_within_authorised", "3", lambda p: row(p, booked=Decimal("10.00"))),
    ("refunded_within_captured_within_authorised", "3", lambda p: row(p, status=Status.CAPTURED.value)),
    ("refunded_within_captured_within_authorised", "1", lambda p: row(p, captured=Decimal("0.00"))),
    ("refunded_within_captured_within_authorised", "1", lambda p: row(p, taken=False)),
    ("refunds_add_up", "3", lose_refund),
    ("refunds_add_up", "3", double_refund),
    ("refunds_add_up", "1", lambda p: row(p, booked=Decimal("5.00"))),
    ("voided_holds_nothing", "1", lambda p: row(p, void_requested=True)),
    ("voided_holds_nothing", "5", lambda p: row(p, void_requested=True)),
    ("voided_holds_nothing", "12", lambda p: row(p, blocked="", blocked_at=None)),
    ("voided_holds_nothing", "13", lambda p: row(p, blocked="", blocked_at=None)),
    ("every_change_has_its_event", "1", delete_events),
    ("every_change_has_its_event", "3", double_refund),
    ("every_change_has_its_event", "3", lose_refund),
    ("events_are_in_order", "3", lambda p: row(p, version=1)),
    ("events_are_in_order", "1", lambda p: change_event(p, "{", "[")),
    ("no_payment_is_left_unfinished", "11", lambda p: row(p, due_at=None)),
    ("no_payment_is_left_unfinished", "1", lambda p: row(p, due_at=seconds_from_now(-200))),
    ("no_payment_is_left_unfinished", "1", lambda p: row(p, due_at=seconds_from_now(20), retry_count=12)),
    ("no_payment_is_left_unfinished", "1", lambda p: row(p, notice_due_at=seconds_from_now(-200))),
    ("no_payment_is_left_unfinished", "1", lambda p: row(p, notice_due_at=seconds_from_now(20), notice_retry_count=40)),
    ("status_never_goes_back", "3", lambda p: (recount(p), retell(p))),
    ("payment_follows_from_its_events", "1", lambda p: row(p, status=Status.FAILED.value)),
    ("payment_follows_from_its_events", "1", lambda p: row(p, status=Status.PROCESSING.value)),
    ("payment_follows_from_its_events", "1", lambda p: row(p, amount=Decimal("55.00"))),
    ("payment_follows_from_its_events", "1", lambda p: row(p, currency="EUR")),
    ("payment_follows_from_its_events", "14", lambda p: row(p, blocked="")),
    ("payment_follows_from_its_events", "1", lambda p: row(p, blocked="refund")),
    ("payment_follows_from_its_events", "12", lambda p: change_event(p, '"CAPTURED"', '"PARTIALLY_REFUNDED"')),
    ("payment_follows_from_its_events", "3", lambda p: change_event(p, '"refund_amount":2', '"refund_amount":1')),
    ("payment_follows_from_its_events", "1", lambda p: change_event(p, '"CAPTURED"', '"VOIDED"')),
]


@pytest.mark.parametrize(("name", "order_id", "plant"), PLANTED)
def test_a_planted_violation_is_found_by_name_and_id(healthy: None, name: str, order_id: str, plant: Plant) -> None:
    """And no other payment is named with it, though the database would not have let most of this happen."""
    payment = payment_of(order_id)
    with unchecked() if name.startswith(("refund", "payment", "voided")) else nullcontext():
        plant(payment)
        checked = check()
        assert checked.status == 1
        assert (name, f"payment {payment.uid} (order {order_id})") in checked.broken
        named = [subject for _, subject in checked.broken]
        assert all(f"payment {payment.uid}" in subject or str(payment.transaction_id) in subject for subject in named)


def pending_refund(**changes: object) -> Refund:
    """A refund without an answer, booked as it must be."""
    payment = payment_of("1")
    row(payment, booked=Decimal("5.00"))
    values = {"payment": payment, "amount": Decimal("5.00"), "status": RefundStatus.PENDING.value, **changes}
    return Refund.objects.create(**values)


def test_a_refund_that_nobody_finishes_is_found(healthy: None) -> None:
    """A moment ago is fine, an hour ago is not, and without a worker's due time never."""
    refund = pending_refund(due_at=timezone.now())
    assert check().violations == []
    Refund.objects.filter(pk=refund.pk).update(created_at=timezone.now() - timedelta(hours=1))
    ((name, _, message),) = check().violations
    assert (name, message) == ("no_payment_is_left_unfinished", f"refund {refund.uid} is PENDING for 3,600 s")
    Refund.objects.filter(pk=refund.pk).update(due_at=None, created_at=timezone.now())
    ((_, _, message),) = check().violations
    assert message == f"refund {refund.uid} is PENDING and no worker will ever take it up: due_at is NULL"


def second_charge(order_id: str) -> str:
    """The gateway takes the money once more; the ledger has not heard of it."""
    key = f"order-{order_id}-pay-2"
    made = Hold.objects.create(
        transaction_id=f"txn_twice_{order_id}",
        payment_intent_id=f"pi_twice_{order_id}",
        currency="USD",
        authorized=Decimal("50.00"),
        captured=Decimal("50.00"),
    )
    Entry.objects.create(key=key, kind="charge", amount=made.authorized, hold=made)
    return f"transaction {made.transaction_id} (key {key})"


@pytest.mark.parametrize("order_id", ["1", "2", "6", "10", "4711"])
def test_a_charge_that_no_payment_knows_is_found(healthy: None, order_id: str) -> None:
    """A second one for a captured order, one for a failed, a voided, a direct payment, and for no payment at all."""
    subject = second_charge(order_id)
    checked = check()
    assert checked.broken == {("one_charge_for_an_order_at_the_gateway", subject)}
    assert checked.violations[0][2] == (
        "the gateway has charged 50.00 USD that no payment knows of (50.00 USD of it is held now)"
    )


def test_a_charge_whose_answer_is_awaited_is_no_second_one(healthy: None) -> None:
    """Until the payment has failed without it."""
    payment = payment_of("11")
    assert check().violations == []
    row(payment, status=Status.FAILED.value, taken=False, token="", due_at=None)
    assert "one_charge_for_an_order_at_the_gateway" in {name for name, _ in check().broken}


@pytest.mark.parametrize(
    ("order_id", "changes", "message"),
    [
        ("1", {"captured": Decimal("49.00")}, "captured: 49.00 at the gateway, 50.00 in the ledger"),
        ("1", {"authorized": Decimal("51.00")}, "set aside: 51.00 at the gateway, 50.00 in the ledger"),
        ("1", {"currency": "EUR"}, "currency: EUR at the gateway, USD in the ledger"),
        ("1", {"refunded": Decimal("1.00")}, "refunded: 1.00 at the gateway, 0.00 in the ledger"),
        ("4", {"refunded": Decimal("0.00")}, "refunded: 0.00 at the gateway, 50.00 in the ledger"),
        ("5", {"captured": Decimal("50.00")}, "captured: 50.00 at the gateway, 0.00 in the ledger"),
        ("5", {"is_released": True}, "released: True at the gateway, False in the ledger"),
        ("15", {"refunded": Decimal("50.00"), "currency": "EUR"}, "currency: EUR at the gateway, USD in the ledger"),
        ("6", {"is_released": False}, "released: False at the gateway, True in the ledger"),
    ],
)
def test_money_that_moved_only_at_the_gateway_is_found(
    healthy: None, order_id: str, changes: dict[str, object], message: str
) -> None:
    """The two ledgers are two witnesses of the same money."""
    payment = payment_of(order_id)
    hold(payment, **changes)
    subject = f"payment {payment.uid} (order {order_id}), transaction {payment.transaction_id}"
    assert check().violations == [("gateway_and_ledger_agree", subject, message)]


def test_the_gateway_may_be_ahead_by_what_was_asked_for(healthy: None) -> None:
    """A refund and a capture whose answers are not there yet."""
    pending_refund(due_at=timezone.now())
    hold(payment_of("1"), refunded=Decimal("5.00"))
    row(payment_of("5"), capture_asked=Decimal("50.00"), due_at=timezone.now())
    hold(payment_of("5"), captured=Decimal("50.00"))
    assert check().violations == []


def test_a_charge_that_the_gateway_does_not_know_is_found(healthy: None) -> None:
    """The ledger believes in money that never moved."""
    payment = payment_of("1")
    row(payment, transaction_id="txn_made_up")
    found = {name for name, _ in check().broken}
    assert found == {"gateway_knows_every_payment", "one_charge_for_an_order_at_the_gateway"}


def test_events_of_no_payment_are_found(healthy: None) -> None:
    """A payment that vanished."""
    uid = uuid4()
    Event.objects.create(aggregatetype="payment", aggregateid=str(uid), type="x", sequence=1, payload="{}")
    assert check().broken == {("no_event_without_its_row", f"payment {uid}")}


@pytest.mark.parametrize("field", ["id", "payment_id", "refund_id", "transaction_id"])
def test_an_answer_that_told_of_something_gone_is_found(healthy: None, field: str) -> None:
    """Whatever the door calls it."""
    values = {
        "id": payment_of("1").uid,
        "payment_id": payment_of("1").number,
        "refund_id": Refund.objects.latest("pk").uid,
        "transaction_id": payment_of("1").transaction_id,
    }
    scope = "POST /v1/payments"
    key = IdempotencyKey(scope=scope, key="k", status_code=200, fingerprint="f")
    key.digest = hashlib.sha256(f"{scope}\nk".encode()).hexdigest()
    key.body = exactjson.encode({field: values[field], "error": None}).decode()
    key.save()
    assert check().violations == []
    key.body = exactjson.encode({field: 10**6 if field == "payment_id" else uuid4()}).decode()
    key.save()
    assert check().broken == {("what_was_answered_is_kept", f"key {key.pk}")}


def test_the_fold_follows_the_table_through_what_nobody_is_told() -> None:
    """After a failure a new attempt may end in anything; after the end nothing follows."""
    assert replay.ahead_of(None) >= {Status.CAPTURED, Status.FAILED, Status.AUTHORIZED, Status.VOIDED}
    assert Status.CAPTURED in replay.ahead_of(Status.FAILED)
    assert replay.ahead_of(Status.REFUNDED) == replay.ahead_of(Status.VOIDED) == frozenset()
    assert replay.ahead_of(Status.AUTHORIZED) == {Status.CAPTURED, Status.VOIDED}
    assert set(EVENTS) == set(Status) - {Status.PENDING, Status.PROCESSING}


@pytest.mark.parametrize(
    ("overdue_s", "retry_count", "waited_s"),
    [(-5, 0, 0), (7, 0, 7), (-5, 1, 0), (-5, 3, 3), (-20, 12, 211), (500, 3, 500)],
)
def test_waits_so_far_are_a_lower_bound(overdue_s: int, retry_count: int, waited_s: int) -> None:
    """1, 2, 4, 8, 16 and then 30 seconds at a time, the last of which is not over."""
    assert waiting.at_least_waited(timedelta(seconds=overdue_s), retry_count=retry_count) == timedelta(seconds=waited_s)


def test_the_books_are_written_for_the_check_across(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, or those of some orders."""
    output = StringIO()
    call_command("export_books", stdout=output)
    assert len(output.getvalue().splitlines()) == 16
    payment, output = payment_of("9"), StringIO()
    monkeypatch.setattr("sys.stdin", StringIO("9\nnobody\n"))
    call_command("export_books", "--only", stdout=output)
    assert exactjson.decode(output.getvalue()) == {
        "id": "9",
        "payment_id": str(payment.uid),
        "version": payment.version,
        "status": "REFUNDED",
        "captured": Decimal("50.00"),
        "refunded": Decimal("50.00"),
        "currency": "USD",
        "void_requested": True,
        "is_waiting": False,
    }
