"""What a row of an imported file means in the ledger, and which rows mean nothing."""

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from payment_service.payments.gateways import registry
from payment_service.payments.importing.known import GATEWAY
from payment_service.payments.importing.parse_row import COLUMNS
from payment_service.payments.models import Payment, Refund
from payment_service.tests.conftest import exact
from payment_service.tests.importing import HEADER, Importer, counts, numbered, row, text_of
from servicekit.events import store
from servicekit.events.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("numbers_from_one")]
CREATED = datetime(2025, 11, 10, 12, 5, tzinfo=timezone.utc)


def test_a_success_is_a_captured_payment(run: Importer) -> None:
    """All of it was taken when it was created; number and reference are those of the file."""
    assert run([row()]).status == 0
    payment = Payment.objects.get()
    assert (payment.number, payment.order_id, payment.amount) == (7, "342", Decimal("561.00"))
    assert (payment.method, payment.currency, payment.reference) == ("CARD", "USD", "ECI20251110-0A1B2C3D")
    assert (payment.status, payment.taken, payment.version, payment.attempt) == ("CAPTURED", True, 1, 1)
    assert (payment.captured, payment.booked, payment.refunded) == (Decimal("561.00"), 0, 0)
    assert (payment.created_at, payment.captured_at, payment.failed_at) == (CREATED, CREATED, None)
    assert (payment.due_at, payment.notice_due_at, payment.transaction_id) == (None, None, None)
    payment.full_clean()


def test_a_failure_is_a_failed_payment(run: Importer) -> None:
    """Nothing was taken; nothing may be due."""
    assert run([row(status="FAILED")]).status == 0
    payment = Payment.objects.get()
    assert (payment.status, payment.taken, payment.captured) == ("FAILED", False, 0)
    assert (payment.captured_at, payment.failed_at, payment.due_at) == (None, CREATED, None)


def test_a_refunded_one_has_its_refund(run: Importer) -> None:
    """Captured, booked and refunded are the amount, and one refund over it succeeded, at a time nobody knows."""
    assert run([row(refunded=1)]).status == 0
    payment = Payment.objects.get()
    assert (payment.status, payment.taken) == ("REFUNDED", True)
    assert (payment.captured, payment.booked, payment.refunded) == (Decimal("561.00"),) * 3
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.status) == (payment, Decimal("561.00"), "SUCCEEDED")
    assert (payment.refunded_at, refund.succeeded_at, refund.due_at) == (None, None, None)


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({}, "CAPTURED"),
        ({"status": "FAILED"}, "FAILED"),
        ({"refunded": 1}, "REFUNDED"),
    ],
)
def test_each_payment_has_one_event_that_is_no_news(run: Importer, cells: dict[str, Any], status: str) -> None:
    """It stands in the trail as the first one, with the amounts as exact numbers, and is not published again."""
    run([row(**cells)])
    payment = Payment.objects.get()
    (event,) = store.of("payment", str(payment.uid))
    assert (event["sequence"], event["type"]) == (1, "payment.imported")
    assert event["data"]["status"] == status
    assert event["data"]["captured"] == payment.captured
    assert str(event["data"]["amount"]) == "561.00"
    assert Event.objects.filter(published_at=None).count() == 0


def test_an_imported_payment_lives_on(run: Importer, client: APIClient) -> None:
    """It is listed and refunded like any other; its next event follows that of the import."""
    run([row()])
    (item,) = exact(client.get("/v1/payments"))["items"]
    assert item == {
        "payment_id": 7,
        "order_id": 342,
        "amount": Decimal("561.00"),
        "authorized_amount": Decimal("561.00"),
        "refunded_amount": Decimal("0.00"),
        "currency": "USD",
        "method": "CARD",
        "status": "SUCCESS",
        "reference": "ECI20251110-0A1B2C3D",
        "created_at": "2025-11-10T12:05:00Z",
        "refunded": False,
    }
    answer = client.post("/v1/payments/7/refund")
    assert (answer.status_code, exact(answer)["message"]) == (200, "Amount 561.00 refunded to CARD")
    events = store.of("payment", str(Payment.objects.get().uid))
    assert [event["type"] for event in events] == ["payment.imported", "payment.refunded"]


def test_a_failed_one_can_be_tried_again(run: Importer, client: APIClient) -> None:
    """A charge of its order takes the money, on the same payment."""
    run([row(status="FAILED")])
    answer = client.post("/api/payments/", {"order_id": 342, "amount": 561})
    assert exact(answer)["status"] == "COMPLETED"
    assert (Payment.objects.get().number, Payment.objects.get().attempt) == (7, 2)


def test_numbers_go_on_behind_the_highest(run: Importer, client: APIClient) -> None:
    """A new payment never gets a number that an imported one has."""
    run([row(payment_id=5000)])
    client.post("/api/payments/", {"order_id": 1, "amount": 1})
    assert Payment.objects.get(order_id="1").number == 5001


def test_an_empty_payment_id_is_numbered_here(run: Importer) -> None:
    """Behind those that bring their own."""
    assert run([row(payment_id=""), row(payment_id=9, order_id=2, reference="B")]).status == 0
    assert set(Payment.objects.values_list("order_id", "number")) == {("342", 10), ("2", 9)}


def test_a_number_that_is_taken_gives_way(run: Importer, client: APIClient) -> None:
    """The payment that is there keeps it; the row gets the next free one, and the user is told how many did."""
    client.post("/api/payments/", {"order_id": 1, "amount": 1})
    done = run(
        [row(payment_id=1), row(payment_id=2, order_id=5, reference="B"), row(payment_id=2, order_id=6, reference="C")]
    )
    assert done.status == 0
    assert "3 rows read: 3 imported, 0 already there, 0 failed" in done.out
    assert "2 got another payment_id, because theirs was taken" in done.out
    assert done.err == ""
    assert Payment.objects.get(order_id="1").number == 1
    assert Payment.objects.get(order_id="5").number == 2
    assert set(Payment.objects.filter(order_id__in=["342", "6"]).values_list("number", flat=True)) == {3, 4}


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("561", "561.00"),
        ("561.5", "561.50"),
        ("0.01", "0.01"),
        (" 12.30 ", "12.30"),
        ("9999999999.99", "9999999999.99"),
    ],
)
def test_amounts_are_exact(run: Importer, written: str, amount: str) -> None:
    """To the cent, up to the largest one."""
    assert run([row(amount=written)]).status == 0
    assert str(Payment.objects.get().amount) == amount
    assert f'"amount":{amount},' in Event.objects.get().payload


@pytest.mark.parametrize("status", ["SUCCESS", "success", "true", "True", "1", " Success ", "t", "T", "yes", "y"])
def test_words_for_success(run: Importer, status: str) -> None:
    """In capitals or not."""
    run([row(status=status)])
    assert Payment.objects.get().status == "CAPTURED"


@pytest.mark.parametrize("status", ["FAILED", "failed", "false", "FALSE", "0", "f", "no", "N"])
def test_words_for_failure(run: Importer, status: str) -> None:
    """In capitals or not; an amount that nobody could pay is kept, as for every failed payment."""
    assert run([row(status=status, amount="0")]).status == 0
    assert Payment.objects.get().status == "FAILED"


@pytest.mark.parametrize(
    ("written", "refunded"),
    [
        *[(word, True) for word in ("1", "TRUE", "t", "yes", "Y")],
        *[(word, False) for word in ("0", "false", "f", "No", "n", "", "NULL", "null", "\\N")],
    ],
)
def test_words_for_refunded(run: Importer, written: str, refunded: bool) -> None:
    """An empty cell is the column's default, no, however a database writes that there is nothing."""
    run([row(refunded=written)])
    assert (Payment.objects.get().status == "REFUNDED") is refunded


@pytest.mark.parametrize(
    "written",
    [
        "2025-11-10 12:05:00",
        "2025-11-10T12:05:00",
        "2025-11-10T12:05:00Z",
        "2025-11-10T13:05:00+01:00",
        "2025-11-10 17:35:00+0530",
        "2025-11-10 12:05",
        "2025-11-10 12:05:00.000000",
    ],
)
def test_times_are_utc_unless_they_say_otherwise(run: Importer, written: str) -> None:
    """All of these are the same moment."""
    assert run([row(created_at=written)]).status == 0
    assert Payment.objects.get().created_at == CREATED


DMY = [
    *["10/11/2025 12:05:00", "10.11.2025 12:05", "10-11-2025T12:05:00Z", "10/11/2025 13:05:00+01:00"],
    *["2025-11-10 12:05:00", "2025-11-10T12:05:00Z"],
]


@pytest.mark.parametrize("written", DMY)
def test_days_first_where_that_is_said(run: Importer, written: str) -> None:
    """With --dates dmy; what begins with the year is read as ever."""
    assert run([row(created_at=written)], "--dates", "dmy").status == 0
    assert Payment.objects.get().created_at == CREATED


def test_months_first_where_that_is_said(run: Importer) -> None:
    """With --dates mdy; a date without a time is its first moment."""
    rows = [row(created_at="11/10/2025 12:05"), row(created_at="1/9/2025", payment_id=8, order_id=2, reference="B")]
    assert run(rows, "--dates", "mdy").status == 0
    assert Payment.objects.get(number=7).created_at == CREATED
    assert Payment.objects.get(number=8).created_at == datetime(2025, 1, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize("dates", ["dmy", "mdy"])
def test_the_year_first_is_always_read(run: Importer, dates: str) -> None:
    """Without a time like any other date then."""
    assert run([row(created_at="2025-11-10")], "--dates", dates).status == 0
    assert Payment.objects.get().created_at == datetime(2025, 11, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "written", ["2025-13-10", "11/25/2025 12:05", "31/02/2025", "10/11/25 12:05", "10/11.2025", "0/1/2025"]
)
def test_dates_that_are_none_the_said_way_are_refused(run: Importer, written: str) -> None:
    """Nobody turns them round."""
    done = run([row(created_at=written)], "--dates", "dmy")
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert done.err.startswith("line 2, created_at ")


def test_a_date_that_could_be_two_asks_for_the_option(run: Importer) -> None:
    """The sentence names it."""
    done = run([row(created_at="10/11/2025 12:05:00")])
    assert done.err.endswith("Which number is the day? Say --dates dmy or --dates mdy.\n")


@pytest.mark.parametrize(
    ("written", "amount"), [("12,50", "12.50"), ("12,5", "12.50"), ("-0,01", "-0.01"), ("7.25", "7.25")]
)
def test_a_decimal_comma_between_semicolons(run: Importer, written: str, amount: str) -> None:
    """As spreadsheets write it where the comma is the decimal sign."""
    status = "FAILED" if written.startswith("-") else "SUCCESS"
    text = text_of([row(amount="AMOUNT", status=status)]).replace(",", ";").replace("AMOUNT", written)
    assert run(text).status == 0
    assert str(Payment.objects.get().amount) == amount


@pytest.mark.parametrize("written", ["1,234", "1.234", "1.234,50", "1,234.50", "1 234,50", "12,", ",50", "1,2,3"])
def test_what_could_be_thousands_is_refused(run: Importer, written: str) -> None:
    """1,234 is a thousand to some, and one and a bit to others."""
    done = run(text_of([row(amount="AMOUNT")]).replace(",", ";").replace("AMOUNT", written))
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert f"line 2, amount {written!r}: Must be an amount like 561.00: a point or a comma" in done.err


def test_order_ids_are_kept_in_canonical_form(run: Importer, client: APIClient) -> None:
    """A UUID in capitals is the same order to every door; whole numbers go up to the largest BIGINT."""
    uuid = "A1B2C3D4-E5F6-7890-ABCD-EF1234567890"
    largest = 2**63 - 1
    assert run([row(order_id=uuid), row(payment_id=8, order_id=largest, reference="B")]).status == 0
    assert set(Payment.objects.values_list("order_id", flat=True)) == {uuid.lower(), str(largest)}
    assert client.get(f"/api/payments/{uuid}/").status_code == 200


def test_methods_are_kept_in_capitals(run: Importer) -> None:
    """As the setting has them."""
    run([row(method=" upi ")])
    assert Payment.objects.get().method == "UPI"


def test_a_currency_without_decimals_takes_none(run: Importer, settings: Any) -> None:
    """There is no half yen in a file either."""
    settings.DEFAULT_CURRENCY = "JPY"
    done = run([row(amount="561.00"), row(amount="561.50", order_id=2, reference="B")])
    assert (done.status, Payment.objects.get().currency) == (1, "JPY")
    assert "line 3, amount '561.50': The currency has no decimals." in done.err


def test_the_gateway_of_imported_payments_is_there() -> None:
    """And has no effect outside the books, since nobody outside knows them."""
    assert GATEWAY in registry.names()
    assert not registry.gateway(GATEWAY).has_outside_effect


WRONG: list[tuple[str, Any]] = [
    *[("payment_id", value) for value in ["0", "-1", "x", "1.0", "007", "2147483648", "9" * 30, "٣"]],
    *[
        ("order_id", value)
        for value in ["", "0", "-5", "1.5", "x", "007", str(2**63), "a1b2c3d4e5f67890abcdef1234567890"]
    ],
    *[
        ("amount", value)
        for value in ["", "0", "-5", "12.345", "1e3", "NaN", "Infinity", "12 50", "$5", "0x10", "٣", "1_000"]
    ],
    *[("amount", value) for value in ["NULL", "1.234", '"1,234"', '"1.234,50"', "1 234.50", "1'234.50"]],
    *[("created_at", value) for value in ["NULL", "10/11/2025 12:05:00", "10/11/2025", "11-10-25 12:05", "45971.5"]],
    *[("amount", value) for value in ['"12,50"', '"1,234.50"', "10000000000.00", ".5", "5.", "+5"]],
    *[("method", value) for value in ["", "BITCOIN", "CARD2", "=cmd"]],
    *[("status", value) for value in ["", "PENDING", "2", "NULL", "\\N", "SUCCESSFUL"]],
    *[("reference", value) for value in ["", "   ", "NULL", "\\N", "x" * 101, "A\0B", '"A\nB"', "A\x1bB"]],
    *[("created_at", value) for value in ["", "yesterday", "10.11.2025", "2025-13-10 12:05:00", "2025-02-30 12:05:00"]],
    *[
        ("created_at", value)
        for value in ["2025-11-10", "1731240300", "1969-12-31 23:59:59", "0001-01-01T00:00:00+14:00"]
    ],
    *[
        ("created_at", value)
        for value in ["2025-11-10 25:05:00", "2025-11-10 12:05:00 CET", "9999-12-31T23:59:59-12:00"]
    ],
    *[("refunded", value) for value in ["2", "x", "none", "on"]],
]


@pytest.mark.parametrize(("column", "value"), WRONG)
def test_a_wrong_cell_is_reported_with_its_line_and_column(run: Importer, column: str, value: str) -> None:
    """The row is left out, its neighbours are not, and the exit status says that something failed."""
    wrong = row(**{"payment_id": 8, "order_id": 343, "reference": "B", column: value})
    before, after = numbered(2)
    done = run([before, wrong, after])
    assert (done.status, counts()) == (1, (2, 2, 0))
    assert done.err.startswith(f"line 3, {column} ")
    assert done.err.count("\n") == 1
    assert "3 rows read: 2 imported, 0 already there, 1 failed" in done.out


def test_all_wrong_cells_of_a_row_are_reported_at_once(run: Importer) -> None:
    """So that nobody mends one only to hear of the next; it still is one row."""
    done = run(["x," * 7 + "x"])
    assert (done.status, counts()) == (1, (0, 0, 0))
    expected = [column for column in COLUMNS if column != "reference"]
    assert [line.split(",")[1].split(" ")[1] for line in done.err.splitlines()] == expected
    assert "1 rows read: 0 imported, 0 already there, 1 failed" in done.out


def test_a_failed_payment_cannot_be_refunded(run: Importer) -> None:
    """There is nothing to give back."""
    done = run([row(status="FAILED", refunded=1)])
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert "line 2, refunded '1'" in done.err


@pytest.mark.parametrize("cells", ["7,342", f"{row()},more", f"{row()},,more", row().rsplit(",", 2)[0]])
def test_a_row_must_have_as_many_cells_as_the_header(run: Importer, cells: str) -> None:
    """Whether it is torn off or has a comma too many, nobody knows which cell is which."""
    done = run([cells])
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert done.err.startswith("line 2: Has ")


@pytest.mark.parametrize("cells", [row().rsplit(",", 1)[0], f"{row()},", f"{row()},,, ,", row(refunded="")])
def test_empty_cells_at_the_end_are_nothing_wrong(run: Importer, cells: str) -> None:
    """Too many, or the last one left out: spreadsheets write both."""
    assert run([cells, *numbered(1)]).err == ""
    assert Payment.objects.get(number=7).status == "CAPTURED"


def test_a_header_with_empty_cells_at_the_end(run: Importer) -> None:
    """Rows may have as many, fewer, or more of them."""
    rows = [
        row(),
        f"{row(payment_id=8, order_id=2, reference='B')},,",
        f"{row(payment_id=9, order_id=3, reference='C')},,,,",
    ]
    assert run("\n".join([f"{HEADER},,", *rows])).err == ""
    assert counts() == (3, 3, 0)


def test_a_row_with_another_separator_says_so(run: Importer) -> None:
    """Its one cell is not read as anything."""
    done = run([row().replace(",", ";"), *numbered(1)])
    assert (done.status, counts()) == (1, (1, 1, 0))
    assert done.err == (
        "line 2: Has 1 cells, the header has 8. They are separated by ',' in the header, and by ';' here.\n"
    )
