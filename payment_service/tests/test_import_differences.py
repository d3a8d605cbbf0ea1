"""A row under a reference that the ledger has, and that is another now: taken over or reported, never passed over."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from payment_service.payments.models import FailedAttempt, Payment, Refund
from payment_service.payments.writes import outside
from payment_service.tests.conftest import exact
from payment_service.tests.importing import HEADER, Done, Importer, counts, in_batches_of, ledger, numbered, row
from servicekit.errors import StaleRow
from servicekit.events import store

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("numbers_from_one", "audited")]

REFERENCE = "ECI20251110-0A1B2C3D"
ALL = Decimal("561.00")


def is_present(done: Done, rows: int = 1) -> bool:
    return (done.status, done.err) == (0, "") and f"0 imported, {rows} already there, 0 failed" in done.out


def is_given_back() -> bool:
    payment = Payment.objects.get(order_id="342")
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.status) == (payment, ALL, "SUCCEEDED")
    assert (payment.captured, payment.booked, payment.refunded) == (ALL, ALL, ALL)
    return payment.status == "REFUNDED"


@pytest.mark.parametrize("size", [1, 1000])
def test_a_refund_since_is_taken_over(
    run: Importer, client: APIClient, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The payment is refunded, with its event; nobody is given the money a second time, and a third run finds it."""
    in_batches_of(size, monkeypatch)
    run([*numbered(2, first=20), row()])
    done = run([*numbered(2, first=20), row(refunded=1)])
    assert (done.status, done.err) == (0, "")
    assert "3 rows read: 1 imported, 2 already there, 0 failed" in done.out
    assert "1 are refunds of payments that were there already." in done.out
    assert is_given_back()
    payment = Payment.objects.get(order_id="342")
    assert [(each["type"], each["data"]["status"]) for each in store.of("payment", str(payment.uid))] == [
        ("payment.imported", "CAPTURED"),
        ("payment.refunded", "REFUNDED"),
    ]
    client.post("/v1/payments/7/refund", {}, format="json")
    assert is_given_back()
    before, events = ledger(), counts()
    assert is_present(run.again(), rows=3)
    assert is_present(run([row()]))
    assert (ledger(), counts()) == (before, events)


def test_a_refund_of_what_a_later_attempt_took(run: Importer) -> None:
    """The payment came in failed and was paid by another row: its refund is taken over all the same."""
    run([row(status="FAILED", reference="FIRST"), row(payment_id=8)])
    assert run([row(payment_id=8, refunded=1)]).status == 0
    assert is_given_back()


def test_a_refund_of_what_failed_here_and_was_paid_elsewhere(
    run: Importer, client: APIClient, bank: None, settings: Any
) -> None:
    """The order service hears of it, as it heard that its order was paid."""
    settings.ORDER_NOTICES = True
    token = {"payment_method_details": {"token": "tok_card_declined"}}
    client.post("/v1/payments/charge", {"order_id": 342, "amount": 561, "method": "CARD"} | token, format="json")
    run([row()])
    Payment.objects.update(notice_due_at=None)
    assert run([row(refunded=1)]).status == 0
    assert is_given_back()
    assert Payment.objects.get().notice_due_at is not None


def test_a_refund_in_a_dry_run_and_twice_in_one_file(run: Importer) -> None:
    """A dry run says the same and books nothing; a second row of the reference is one too many, as ever."""
    run([row()])
    rows = [row(refunded=1), row(refunded=1)]
    dry = run(rows, "--dry-run")
    assert Refund.objects.count() == 0
    wet = run(rows)
    assert dry.err == wet.err == f"line 3, reference '{REFERENCE}': Line 2 has this reference already.\n"
    assert "1 would be imported, 0 already there, 1 failed" in dry.out
    assert is_given_back()


def refunded_in_part(client: APIClient) -> None:
    assert client.post("/v1/payments/7/refund", {"amount": 61}, format="json").status_code == 200


def refund_on_its_way(_: APIClient) -> None:
    """As a process leaves it that was killed before the answer."""
    payment = Payment.objects.get()
    Payment.objects.update(booked=61)
    Refund.objects.create(payment=payment, amount=Decimal(61), status="PENDING", due_at=timezone.now())


@pytest.mark.parametrize(
    ("touch", "why"),
    [
        (refunded_in_part, "The ledger has refunded a part of this payment; "),
        (refund_on_its_way, "The ledger has a refund of this payment on its way; "),
    ],
)
def test_a_refund_of_what_was_touched_here_is_reported(run: Importer, client: APIClient, touch: Any, why: str) -> None:
    """Whoever gave back how much is for a person to find out; the ledger stays as it is, run after run."""
    run([row()])
    touch(client)
    before, events = ledger(), counts()
    for done in (run([row(refunded=1)]), run.again()):
        assert done.status == 1
        assert done.err.startswith(f"line 2, refunded 'true': {why}")
        assert "0 imported, 0 already there, 1 failed" in done.out
    assert (ledger(), counts()) == (before, events)
    assert is_present(run([row()]))
    Refund.objects.filter(status="PENDING").delete()
    Payment.objects.filter(refunded=0).update(booked=0)


def test_a_refund_of_what_was_charged_here_is_reported(run: Importer, client: APIClient) -> None:
    """That money is at a gateway of this service, and only a refund here gives it back."""
    charged = exact(client.post("/v1/payments/charge", {"order_id": 342, "amount": 561, "method": "CARD"}))
    payment = Payment.objects.get()
    before = ledger()
    same = {"payment_id": payment.number, "reference": charged["reference"], "created_at": payment.created_at}
    done = run([row(refunded=1, **same)])
    assert done.status == 1
    assert "refunded 'true': The ledger took this payment here, and has not refunded all of it" in done.err
    assert ledger() == before
    assert is_present(run([row(**same)]))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"amount": "560.00"}, "amount '560.00': The ledger has this payment over 561.00."),
        ({"order_id": 343}, f"reference '{REFERENCE}': The ledger has this reference for another order, 342."),
        ({"method": "UPI"}, "method 'UPI': The ledger has this payment by CARD."),
        (
            {"status": "FAILED"},
            "status 'FAILED': The ledger has this payment as one that took the money; find out what is right.",
        ),
        (
            {"created_at": "2025-11-11 12:05:00"},
            "created_at '2025-11-11 12:05:00': The ledger has this payment at 2025-11-10 12:05:00 (UTC).",
        ),
    ],
)
@pytest.mark.parametrize("refunded", [0, 1])
def test_another_value_is_reported(run: Importer, changed: dict[str, Any], told: str, refunded: int) -> None:
    """With its column, and nothing is changed, whether the payment was given back or not."""
    run([row(refunded=refunded)])
    before, events = ledger(), counts()
    line = row(refunded=0 if "status" in changed else refunded, **changed)
    for done in (run([line], "--dry-run"), run([line]), run.again()):
        assert (done.status, done.err) == (1, f"line 2, {told}\n")
        assert "0 already there, 1 failed" in done.out
    assert (ledger(), counts()) == (before, events)


@pytest.mark.parametrize(
    ("changed", "column"),
    [({"method": "UPI"}, "method"), ({"created_at": "2025-11-11 12:05:00"}, "created_at"), ({"amount": "1"}, "amount")],
)
@pytest.mark.parametrize("paid", [[], [row(payment_id=8)]])
def test_another_value_of_a_failed_attempt_is_reported(
    run: Importer, changed: dict[str, Any], column: str, paid: list[str]
) -> None:
    """Whether it is the payment of its order, or another one is."""
    run([row(status="FAILED", reference="FIRST"), *paid])
    assert FailedAttempt.objects.count() == len(paid)
    before = ledger()
    done = run([row(status="FAILED", reference="FIRST", **changed)])
    assert done.err.startswith(f"line 2, {column} ")
    assert (done.status, ledger()) == (1, before)


def test_another_currency_is_reported(run: Importer, settings: Any) -> None:
    """The ledger's default has changed since: the same number is other money."""
    run([row()])
    settings.DEFAULT_CURRENCY = "EUR"
    done = run.again()
    assert (done.status, done.err) == (1, "line 2, currency 'EUR': The ledger has this payment in USD.\n")


@pytest.mark.parametrize("cell", ["USD", " usd ", "", "NULL"])
def test_a_column_currency_of_the_ledgers_own(run: Importer, cell: str) -> None:
    """Or with nothing in it; there, behind or in front of the other columns."""
    assert run(f"{HEADER},currency\n{row()},{cell}\n").status == 0
    assert run(f"Currency;{HEADER.replace(',', ';')}\n{cell};{row().replace(',', ';')}\n").err == ""
    assert (Payment.objects.get().amount, Payment.objects.get().currency) == (ALL, "USD")


@pytest.mark.parametrize("cell", ["JPY", "eur", "$", "US", "0"])
def test_a_column_currency_of_another_fails_the_row(run: Importer, cell: str) -> None:
    """Its number would be other money; the rest of the file is imported, and a short row has no currency."""
    done = run(f"{HEADER},currency\n{row(amount='50.50')},{cell}\n{row(payment_id=8, order_id=8, reference='R')}\n")
    assert (done.status, done.err) == (
        1,
        f"line 2, currency '{cell}': All amounts are in USD, the ledger's currency; must be that, or empty.\n",
    )
    assert [payment.order_id for payment in Payment.objects.all()] == ["8"]
    wrong = run(f"{HEADER},currency\n{row(amount='x')},{cell}\n")
    assert [line.split(" ")[2] for line in wrong.err.splitlines()] == ["amount", "currency"]


def test_two_columns_currency(run: Importer) -> None:
    """Which of them is meant nobody can tell."""
    run([row()])
    done = run(f"currency,{HEADER},currency\nUSD,{row(payment_id=8, order_id=8, reference='R')},JPY\n")
    assert (done.status, Payment.objects.count()) == (1, 1)
    assert "More than once: currency." in done.err


def test_what_was_charged_here_since_is_no_difference(run: Importer, client: APIClient) -> None:
    """Its failure elsewhere was true, and the file that says so can be imported again."""
    failed = row(status="FAILED", method="UPI")
    run([failed])
    body = {"order_id": 342, "amount": 561, "method": "CARD", "payment_method_details": {"token": "tok_ok"}}
    assert exact(client.post("/api/payments/", body))["status"] == "COMPLETED"
    assert is_present(run([failed]))


def test_a_success_of_what_was_voided_here_is_reported(run: Importer, client: APIClient) -> None:
    """Under the reference of its failure, too: nobody else would give that money back."""
    run([row(status="FAILED")])
    client.post("/api/payments/342/void/")
    done = run([row()])
    assert done.status == 1
    assert "was voided here, so no money may be held for this order" in done.err


def test_a_refund_that_somebody_else_booked_at_the_same_moment(run: Importer) -> None:
    """It was read before, and is another now: not booked on top."""
    run([row()])
    payment = Payment.objects.get()
    Payment.objects.update(booked=1)
    with pytest.raises(StaleRow):
        outside.record_refund(payment.number, version=payment.version, reason="")
    Payment.objects.update(booked=0)
    assert Refund.objects.count() == 0
