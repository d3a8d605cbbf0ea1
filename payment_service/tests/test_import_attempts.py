"""Several rows of one order are its attempts: whatever their order, one payment, and the one that took the money."""

from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from payment_service.payments.errors import PaymentNotFound
from payment_service.payments.models import FailedAttempt, Payment, Refund
from payment_service.payments.use_cases import repair
from payment_service.payments.writes import attempts, closing, refunds
from payment_service.payments.writes.attempts import Asked
from payment_service.tests.conftest import exact
from payment_service.tests.importing import Importer, counts, in_batches_of, numbered, row
from servicekit.errors import StaleRow
from servicekit.events import store
from servicekit.events.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("numbers_from_one", "audited")]

FAILED = row(payment_id=7, status="FAILED", reference="FAILED-1")
FAILED_TOO = row(payment_id=8, status="FAILED", reference="FAILED-2", amount="600.00")
SUCCESS = row(payment_id=9, reference="SUCCESS", method="UPI", created_at="2025-11-10 12:09:00")
REFUNDED = row(payment_id=9, reference="SUCCESS", refunded=1)


def batches_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    in_batches_of(size, monkeypatch)


def paid() -> Payment:
    """The one payment, which took the money of SUCCESS, under its number and reference."""
    payment = Payment.objects.get()
    assert (payment.order_id, payment.number, payment.reference) == ("342", 9, "SUCCESS")
    assert (payment.status, payment.taken, payment.amount) == ("CAPTURED", True, Decimal("561.00"))
    assert (payment.captured, payment.refunded, payment.method) == (Decimal("561.00"), 0, "UPI")
    assert set(FailedAttempt.objects.values_list("reference", "payment_id")) == {
        ("FAILED-1", "342"),
        ("FAILED-2", "342"),
    }
    return payment


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("rows", list(permutations([FAILED, FAILED_TOO, SUCCESS])))
def test_a_success_pays_whatever_failed(
    run: Importer, client: APIClient, monkeypatch: pytest.MonkeyPatch, rows: list[str], size: int
) -> None:
    """Before or after it, in this batch or another; nobody is charged again, and a second run finds all three."""
    batches_of(size, monkeypatch)
    done = run([*rows, *numbered(1, first=20)])
    assert (done.status, done.err) == (0, "")
    assert "4 rows read: 4 imported, 0 already there, 0 failed" in done.out
    assert "2 are further attempts at a payment" in done.out
    Payment.objects.filter(number=20).delete()
    payment = paid()
    again = run.again()
    assert "4 rows read: 1 imported, 3 already there, 0 failed" in again.out
    Payment.objects.filter(number=20).delete()
    assert paid().version == payment.version
    answer = client.post("/api/payments/", {"order_id": 342, "amount": 561})
    assert (answer.status_code, exact(answer)["status"]) == (200, "COMPLETED")
    assert paid().version == payment.version
    Event.objects.exclude(aggregateid=str(payment.uid)).delete()


@pytest.mark.parametrize("rows", list(permutations([FAILED, FAILED_TOO, SUCCESS])))
def test_attempts_in_files_of_their_own(run: Importer, rows: list[str]) -> None:
    """Each file is imported by itself, then all of them again, in the other order."""
    for line in rows:
        done = run([line])
        assert (done.status, done.out.startswith("1 rows read: 1 imported")) == (0, True)
    payment = paid()
    for line in reversed(rows):
        assert run([line]).out.startswith("1 rows read: 0 imported, 1 already there, 0 failed")
    assert paid().version == payment.version


def test_the_trail_of_a_payment_that_was_paid_later(run: Importer) -> None:
    """Two imports, both history: the second one says what the payment has become, and neither is published again."""
    run([FAILED])
    run([SUCCESS])
    events = store.of("payment", str(Payment.objects.get().uid))
    assert [(each["sequence"], each["type"], each["data"]["status"]) for each in events] == [
        (1, "payment.imported", "FAILED"),
        (2, "payment.imported", "CAPTURED"),
    ]
    assert events[1]["data"]["attempt"] == Payment.objects.get().attempt == 1
    assert Event.objects.filter(published_at=None).count() == 0


@pytest.mark.parametrize(
    "files", [[[FAILED, REFUNDED]], [[FAILED], [REFUNDED]], [[REFUNDED, FAILED]], [[REFUNDED], [FAILED]]]
)
def test_a_success_that_was_given_back(run: Importer, client: APIClient, files: list[list[str]]) -> None:
    """It took money once, so the order is not charged again; its refund is there once."""
    for rows in files:
        assert run(rows).status == 0
    payment = Payment.objects.get()
    assert (payment.number, payment.reference, payment.status) == (9, "SUCCESS", "REFUNDED")
    assert (payment.captured, payment.booked, payment.refunded) == (Decimal("561.00"),) * 3
    assert (Refund.objects.get().payment, Refund.objects.get().amount) == (payment, Decimal("561.00"))
    assert exact(client.post("/api/payments/", {"order_id": 342, "amount": 561}))["status"] == "REFUNDED"


@pytest.mark.parametrize("size", [1, 1000])
def test_a_second_success_is_reported(run: Importer, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """In this file, with its line; in an earlier one, by its reference. The first one stands, refunded or not."""
    batches_of(size, monkeypatch)
    second = row(payment_id=10, reference="SECOND")
    done = run([FAILED, SUCCESS, FAILED_TOO, second])
    message = "Line 3 took the money for this order already; give back what one of the two took."
    assert (done.status, done.err) == (1, f"line 5, order_id '342': {message}\n")
    version = paid().version
    later = run([second])
    message = "This order has a payment in the ledger that took the money, SUCCESS; give back what one of the two took."
    assert (later.status, later.err) == (1, f"line 2, order_id '342': {message}\n")
    assert paid().version == version


def test_a_success_under_the_reference_of_its_failure(run: Importer) -> None:
    """The other system has put its row right: the money was taken. The older file is reported, and undoes nothing."""
    run([FAILED, FAILED_TOO])
    put_right = FAILED_TOO.replace("FAILED,FAILED-2", "SUCCESS,FAILED-2")
    assert run([put_right]).out.startswith("1 rows read: 1 imported, 0 already there, 0 failed")
    assert run([put_right]).out.startswith("1 rows read: 0 imported, 1 already there, 0 failed")
    older = run([FAILED, FAILED_TOO])
    assert older.out.startswith("2 rows read: 0 imported, 1 already there, 1 failed")
    assert older.err.startswith("line 3, status 'FAILED': The ledger has this payment as one that took the money; ")
    payment = Payment.objects.get()
    assert (payment.status, payment.reference, payment.amount) == ("CAPTURED", "FAILED-2", Decimal("600.00"))
    assert list(FailedAttempt.objects.values_list("reference", flat=True)) == ["FAILED-1"]


@pytest.mark.parametrize("order", [342, "a1b2c3d4-e5f6-7890-abcd-ef1234567890"])
def test_a_success_pays_what_failed_in_the_ledger(run: Importer, client: APIClient, bank: None, order: Any) -> None:
    """The world hears of it, as it heard of the failure; the row's money is booked and the number stays."""
    body = {
        "order_id": order,
        "amount": 561,
        "method": "CARD",
        "payment_method_details": {"token": "tok_card_declined"},
    }
    assert exact(client.post("/api/payments/", body, format="json"))["status"] == "FAILED"
    before = Payment.objects.get()
    done = run([row(payment_id=77, order_id=order, reference="SUCCESS", amount="560.00")])
    assert (done.status, done.err) == (0, "")
    assert "1 got another payment_id" in done.out
    payment = Payment.objects.get()
    assert (payment.number, payment.uid, payment.reference) == (before.number, before.uid, "SUCCESS")
    assert (payment.status, payment.captured, payment.gateway) == ("CAPTURED", Decimal("560.00"), "direct")
    assert (payment.failure_code, payment.due_at, payment.attempt) == ("", None, 2)
    assert [event["type"] for event in store.of("payment", str(payment.uid))] == [
        "payment.failed",
        "payment.successful",
    ]
    assert Event.objects.filter(published_at=None).count() == 2
    assert FailedAttempt.objects.get().reference == before.reference
    answer = client.post("/api/payments/", body | {"amount": 560}, format="json")
    assert (answer.status_code, exact(answer)["status"]) == (200, "COMPLETED")
    assert run.again().out.startswith("1 rows read: 0 imported, 1 already there, 0 failed")


def test_a_refunded_success_over_what_failed_in_the_ledger(run: Importer, client: APIClient, bank: None) -> None:
    """Taken and given back, each with its event."""
    body = {"order_id": 342, "amount": 561, "method": "CARD", "payment_method_details": {"token": "tok_card_declined"}}
    client.post("/api/payments/", body, format="json")
    assert run([REFUNDED]).status == 0
    payment = Payment.objects.get()
    assert (payment.status, payment.booked, payment.refunded) == ("REFUNDED", Decimal("561.00"), Decimal("561.00"))
    assert [event["type"] for event in store.of("payment", str(payment.uid))] == [
        "payment.failed",
        "payment.successful",
        "payment.refunded",
    ]


def test_the_order_service_hears_of_it(run: Importer, client: APIClient, bank: None, settings: Any) -> None:
    """Where it would have heard of a capture: its order is paid."""
    settings.ORDER_NOTICES = True
    body = {"order_id": 342, "amount": 561, "method": "CARD", "payment_method_details": {"token": "tok_card_declined"}}
    client.post("/v1/payments/charge", body, format="json")
    assert Payment.objects.get().notice_due_at is None
    run([SUCCESS])
    assert Payment.objects.get().notice_due_at is not None


def put_aside(client: APIClient) -> None:
    body = {"order_id": 342, "amount": 561, "currency": "USD", "payment_method": "credit_card", "capture": False}
    assert exact(client.post("/api/v1/payments/process", body, format="json"))["status"] == "authorized"


def being_charged(client: APIClient) -> None:
    body = {"order_id": 342, "amount": 561, "method": "CARD"}
    token = {"payment_method_details": {"token": "tok_charge_then_lose_reply"}}
    assert exact(client.post("/api/payments/", body | token, format="json"))["status"] == "PENDING"


def charged(client: APIClient) -> None:
    assert exact(client.post("/api/payments/", {"order_id": 342, "amount": 561}))["status"] == "COMPLETED"


def voided(client: APIClient) -> None:
    assert exact(client.post("/api/payments/342/void/"))["status"] == "VOIDED"


def failed_and_cancelled(client: APIClient) -> None:
    body = {"order_id": 342, "amount": 561, "method": "CARD", "payment_method_details": {"token": "tok_card_declined"}}
    client.post("/api/payments/", body, format="json")
    repair.void_payment("342")


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (put_aside, "has money set aside for it here"),
        (being_charged, "is being charged here, and the answer is not known yet"),
        (charged, "This order has a payment in the ledger that took the money"),
        (voided, "was voided here, so no money may be held for this order"),
        (failed_and_cancelled, "was voided here, so no money may be held for this order"),
    ],
)
def test_a_payment_that_lives_here_is_left_alone(
    run: Importer, client: APIClient, bank: None, live: Any, why: str
) -> None:
    """Money that was taken elsewhere as well is for a person to settle; a failure elsewhere changes nothing."""
    live(client)
    before, events = Payment.objects.values().get(), Event.objects.count()
    done = run([FAILED, SUCCESS, FAILED_TOO])
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("line 3, order_id '342': ")
    assert why in done.err
    assert "3 rows read: 2 imported, 0 already there, 1 failed" in done.out
    assert (Payment.objects.values().get(), Event.objects.count()) == (before, events)
    again = run.again()
    assert "3 rows read: 0 imported, 2 already there, 1 failed" in again.out


def test_a_failure_that_was_paid_here_since(run: Importer, client: APIClient) -> None:
    """The order was charged here after its failure was imported: a success elsewhere is a second one."""
    run([FAILED])
    charged(client)
    assert run([FAILED_TOO]).status == 0
    assert "took the money, FAILED-1; give back" in run([SUCCESS]).err
    assert (Payment.objects.get().number, Payment.objects.get().attempt) == (7, 2)


def test_attempts_in_a_dry_run(run: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what the import will say, batches or not, and writes nothing."""
    run([row(payment_id=50, order_id=50, reference="OLD")])
    rows = [FAILED, SUCCESS, FAILED_TOO, row(reference="SECOND"), row(payment_id=50, order_id=51, reference="B")]
    said = []
    for size, options in [(1, ["--dry-run"]), (1000, ["--dry-run"]), (2, [])]:
        batches_of(size, monkeypatch)
        done = run(rows, *options)
        said.append(
            (done.status, done.err, done.out.split(";")[0].rpartition("written. ")[2], done.out.split("rows/s.")[1])
        )
        assert counts()[0] == (3 if not options else 1)
    assert said[0] == said[1]
    assert said[0][:2] == said[2][:2]
    assert said[0][2].replace("would be ", "") == said[2][2]
    assert said[0][3] == said[2][3]


def test_numbers_of_attempts_are_free(run: Importer, client: APIClient) -> None:
    """A failed attempt has none of its own, and new payments go on behind the highest that a payment has."""
    run([FAILED])
    run([row(payment_id=5000, reference="SUCCESS")])
    assert Payment.objects.get().number == 5000
    assert client.post("/v1/payments/7/refund").status_code == 404
    client.post("/api/payments/", {"order_id": 1, "amount": 1})
    assert Payment.objects.get(order_id="1").number == 5001
    assert run([row(payment_id=7, order_id=2, reference="OTHER")]).status == 0
    assert Payment.objects.get(order_id="2").number == 7
    assert exact(client.post("/v1/payments/5000/refund"))["message"] == "Amount 561.00 refunded to CARD"


def test_a_success_whose_number_is_taken(run: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps that of its failure, or gets the next free one; the money is booked all the same, in any batches."""
    for size in (1, 2, 1000):
        batches_of(size, monkeypatch)
        for rows in permutations([FAILED, row(payment_id=50, reference="SUCCESS", method="UPI"), FAILED_TOO]):
            Payment.objects.all().delete()
            Event.objects.all().delete()
            run([row(payment_id=50, order_id=50, reference="OLD")])
            assert run(list(rows)).err == ""
            payment = Payment.objects.get(order_id="342")
            assert (payment.status, payment.reference) == ("CAPTURED", "SUCCESS")
            assert FailedAttempt.objects.count() == 2
            assert run.again().out.startswith("3 rows read: 0 imported, 3 already there, 0 failed")


def test_a_reference_of_an_attempt_is_taken(run: Importer) -> None:
    """By another order, or over another amount, it is refused, though no payment has it."""
    run([FAILED, SUCCESS])
    done = run(
        [row(payment_id=1, order_id=1, reference="FAILED-1"), row(payment_id=7, reference="FAILED-1", amount="1.00")]
    )
    assert done.err.splitlines() == [
        "line 2, reference 'FAILED-1': The ledger has this reference for another order, 342.",
        "line 3, amount '1.00': The ledger has this payment over 561.00.",
    ]
    assert Payment.objects.count() == 1


def test_a_void_in_the_moment_of_a_new_number(run: Importer, client: APIClient) -> None:
    """It was read under a number that another payment has by now: its own money goes back, and not the other's."""
    run([FAILED])
    read = Payment.objects.get()
    run([SUCCESS])
    run([row(payment_id=7, order_id=343, reference="OTHER", status="FAILED")])
    assert closing.request_void(read).number == 9
    assert list(Payment.objects.order_by("number").values_list("number", "void_requested")) == [(7, False), (9, True)]
    repair.payments_once()
    assert list(Payment.objects.order_by("number").values_list("status", flat=True)) == ["FAILED", "REFUNDED"]


def test_a_charge_in_the_moment_of_a_new_number(run: Importer) -> None:
    """It was read under a number that another payment has by now, which is not charged in its place."""
    run([FAILED])
    read = Payment.objects.get()
    run([SUCCESS])
    run([row(payment_id=7, order_id=343, reference="OTHER", status="FAILED")])
    before = list(Payment.objects.order_by("number").values())
    asked = Asked(uuid4(), "342", Decimal("561.00"), "USD", "CARD")
    with pytest.raises(StaleRow):
        attempts.start_attempt(read, asked, gateway="sim")
    assert list(Payment.objects.order_by("number").values()) == before


def test_a_refund_under_a_number_that_nobody_has_any_more(run: Importer) -> None:
    """404, like any other unknown number."""
    run([FAILED])
    run([SUCCESS])
    with pytest.raises(PaymentNotFound):
        refunds.book_refund(7, uid=uuid4(), amount=None, reason="")
