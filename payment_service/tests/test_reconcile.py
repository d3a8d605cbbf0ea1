"""`manage.py reconcile` finds every difference between the ledger and a settlement file, and nothing else."""

import csv
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payment_service.payments.gateways import registry
from payment_service.payments.importing.csv_reader import open_table
from payment_service.payments.models import Payment
from payment_service.payments.reconciling import comparing
from payment_service.payments.reconciling.difference_kinds import KINDS
from payment_service.payments.reconciling.settlements import STATUSES, Parser
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.tests.conftest import asked

pytestmark = pytest.mark.django_db
HEADER = ["transaction_id", "order_id", "amount", "currency", "status", "refunded"]
LONG_AGO = datetime(2026, 6, 15, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Said:
    """What the command printed and how it ended, and its report."""

    status: int
    out: str
    err: str
    report: list[dict[str, str]]

    @property
    def found(self) -> list[tuple[str, str]]:
        return sorted((row["kind"], row["transaction_id"]) for row in self.report)


class Reconciler:
    """Writes settlement files, and compares the ledger with them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "bank.csv"
        self._report = folder / "report.csv"

    def write(self, rows: list[dict[str, str]], header: list[str] = HEADER) -> None:
        with self.file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    def run(self, *options: str) -> Said:
        out, err, status = StringIO(), StringIO(), 0
        try:
            call_command(
                "reconcile",
                "--against",
                str(self.file),
                "--report",
                str(self._report),
                *options,
                stdout=out,
                stderr=err,
            )
        except SystemExit as end:
            status = int(end.code or 0)
        with self._report.open(newline="", encoding="utf-8") as file:
            return Said(status, out.getvalue(), err.getvalue(), list(csv.DictReader(file)))


@pytest.fixture
def reconciler(tmp_path: Path) -> Reconciler:
    return Reconciler(tmp_path)


def ledger(count: int, **more: Any) -> list[Payment]:
    """So many payments at the simulated gateway, of every status that one with a transaction can have."""
    statuses = [Status.CAPTURED, Status.AUTHORIZED, Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.VOIDED]
    made = []
    for number in range(count):
        status = statuses[number % len(statuses)]
        amount = Decimal(10 + number)
        is_taken = status not in (Status.AUTHORIZED, Status.VOIDED)
        refunded = {Status.REFUNDED: amount, Status.PARTIALLY_REFUNDED: Decimal(1)}.get(status, Decimal(0))
        made.append(
            Payment(
                order_id=f"{number + 1}",
                amount=amount,
                captured=amount if is_taken else Decimal(0),
                booked=refunded,
                refunded=refunded,
                currency="USD" if number % 3 else "EUR",
                method="CARD",
                gateway="simulated",
                status=status.value,
                taken=True if is_taken else None,
                transaction_id=f"txn_{number}",
                reference=f"ECI-{number}",
                captured_at=LONG_AGO if is_taken else None,
                authorized_at=None if is_taken else LONG_AGO,
                **more,
            )
        )
    Payment.objects.bulk_create(made)
    return list(Payment.objects.order_by("number"))


def settled(payment: Payment) -> dict[str, str]:
    """The row that an honest gateway would write."""
    return {
        "transaction_id": payment.transaction_id or "",
        "order_id": payment.order_id,
        "amount": str(payment.captured or payment.amount),
        "currency": payment.currency,
        "status": payment.status,
        "refunded": str(payment.refunded),
    }


def test_both_sides_agree(reconciler: Reconciler) -> None:
    """Exit status 0, an empty report, and totals by currency."""
    reconciler.write([settled(payment) for payment in ledger(10)])
    said = reconciler.run()
    assert (said.status, said.report, said.err) == (0, [], "")
    assert "Both sides agree." in said.out
    assert "10 transactions agree" in said.out


@pytest.mark.parametrize("seed", range(5))
def test_planted_breaks_are_all_found_and_nothing_else(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Every kind of break, many of each, at random places, over many batches: exactly the planted ones are reported."""
    monkeypatch.setattr(comparing, "BATCH", 7)
    rng = random.Random(seed)
    payments = ledger(120)
    rows = {payment.transaction_id or "": settled(payment) for payment in payments}
    planted: list[tuple[str, str]] = []
    broken = rng.sample(sorted(rows), 60)
    breaks: dict[str, Callable[[dict[str, str]], None]] = {
        "wrong_amount": lambda row: row.update(amount=f"{Decimal(row['amount']) + Decimal('0.01'):.2f}"),
        "wrong_currency": lambda row: row.update(currency="GBP"),
        "wrong_status": lambda row: row.update(status="FAILED"),
        "wrong_refunded": lambda row: row.update(refunded="0.07"),
        "wrong_order": lambda row: row.update(order_id="999999"),
        "unreadable": lambda row: row.update(amount="12,50"),
    }
    lines = []
    for transaction_id, row in rows.items():
        if transaction_id in broken:
            kind = rng.choice([*breaks, "missing", "duplicate"])
            planted.append((kind, transaction_id))
            if kind == "missing":
                continue
            if kind == "duplicate":
                lines.append(row)
            else:
                breaks[kind](row)
        lines.append(row)
    for number in range(10):
        lines.append({**settled(payments[0]), "transaction_id": f"txn_foreign_{number}", "order_id": ""})
        planted.append(("extra", f"txn_foreign_{number}"))
    rng.shuffle(lines)
    reconciler.write(lines)
    said = reconciler.run()
    assert said.status == 1
    assert said.found == sorted(planted)


def test_the_simulated_banks_own_file_agrees(reconciler: Reconciler, bank: None) -> None:
    """What the bank writes of payments that went every way, and what the ledger has, are the same."""

    def charge(order_id: str, **more: Any) -> Payment:
        return charging.charge_payment(asked("50.00", order_id=order_id, **more)).payment

    charge("1")
    charge("2", token="tok_card_declined")
    refunding.refund_payment(charge("3"), uid=uuid4(), amount=Decimal("20.00"))
    repair.void_payment(charge("4").order_id)
    repair.void_payment(charge("5", capture=False).order_id)
    capturing.capture_payment(charge("6", capture=False), amount=Decimal("30.00"))
    charge("7", capture=False)
    charge("8", method="DIRECT")
    out = StringIO()
    call_command("export_settlements", str(reconciler.file), stdout=out)
    assert out.getvalue() == f"6 transactions written to {reconciler.file}.\n"
    said = reconciler.run()
    assert (said.status, said.report) == (0, [])
    assert "6 transactions agree" in said.out


def test_a_charge_whose_reply_was_lost_is_named_with_its_order(reconciler: Reconciler, bank: None) -> None:
    """The gateway has it, the ledger is still asking; the message says so."""
    charging.charge_payment(asked("50.00", order_id="7", token="tok_charge_then_lose_reply"))
    call_command("export_settlements", str(reconciler.file), stdout=StringIO())
    said = reconciler.run()
    (row,) = said.report
    assert (said.status, row["kind"], row["order_id"]) == (1, "extra", "7")
    assert row["at_the_gateway"] == "50.00 USD CAPTURED"
    assert row["in_the_ledger"] == "50.00 USD PROCESSING as no transaction at gateway simulated"
    assert row["message"].startswith("The ledger is still waiting for an answer: let the worker finish")


def test_each_difference_says_both_sides_and_what_to_do(reconciler: Reconciler) -> None:
    """On the terminal with its line, in the report by column."""
    first, second = ledger(2)
    reconciler.write([{**settled(first), "amount": "11.00", "currency": "usd"}])
    said = reconciler.run()
    assert [tuple(row.values()) for row in said.report] == [
        ("wrong_amount", "2", "txn_0", "1", "11.00", "10.00", KINDS["wrong_amount"]),
        ("wrong_currency", "2", "txn_0", "1", "USD", "EUR", KINDS["wrong_currency"]),
        ("missing", "", "txn_1", "2", "", "11.00 USD AUTHORIZED", KINDS["missing"]),
    ]
    assert said.err.splitlines()[0] == (
        f"line 2: wrong_amount 'txn_0' (order '1'): gateway: 11.00, ledger: 10.00. {KINDS['wrong_amount']}"
    )
    assert str(second.transaction_id) in said.err


def test_optional_columns_may_be_missing(reconciler: Reconciler) -> None:
    """Then they are not compared; any order of columns, semicolons, a BOM and foreign columns are fine."""
    payments = ledger(5)
    rows = [f"x;{p.status.lower()};{p.captured or p.amount};{p.currency};{p.transaction_id}" for p in payments]
    text = "\ufeffNote;Status;Amount;Currency;Transaction_ID\r\n" + "\r\n".join(rows) + "\r\n"
    reconciler.file.write_text(text, encoding="utf-8", newline="")
    assert (reconciler.run().status, reconciler.run().report) == (0, [])


@pytest.mark.parametrize(
    ("cell", "text", "sentence"),
    [
        ("amount", "", "amount must be an amount like 561.00, a point and at most two decimals, not ''."),
        ("amount", "-5.00", "not '-5.00'."),
        ("amount", "1e3", "not '1e3'."),
        ("amount", "NaN", "not 'NaN'."),
        ("amount", "10.005", "not '10.005'."),
        ("amount", "1" * 80, f"not '{'1' * 64}'."),
        ("refunded", "x", "refunded must be an amount like 561.00"),
        ("currency", "XXX", "currency must be an ISO 4217 code like USD, not 'XXX'."),
        ("status", "LOST", "status must be one of AUTHORIZED, CAPTURED, VOIDED"),
        ("transaction_id", "", "transaction_id must be 1 to 64 printable characters, not ''."),
        ("transaction_id", "a\x1b[2J", r"not 'a\x1b[2J'."),
        ("order_id", "o" * 65, "order_id must be 1 to 64 printable characters"),
    ],
)
def test_a_bad_row_is_reported_with_its_line(reconciler: Reconciler, cell: str, text: str, sentence: str) -> None:
    """And is neither compared nor, where its transaction can be read, called missing as well."""
    payments = ledger(3)
    rows = [settled(payment) for payment in payments]
    rows[1][cell] = text
    reconciler.write(rows)
    said = reconciler.run()
    bad = next(row for row in said.report if row["kind"] == "unreadable")
    assert (bad["line"], sentence in bad["message"]) == ("3", True)
    others = [kind for kind, _ in said.found if kind != "unreadable"]
    assert others == (["missing"] if cell == "transaction_id" else [])
    assert "\x1b" not in said.err


def test_rows_of_the_wrong_length_and_broken_quotes_have_their_line(reconciler: Reconciler) -> None:
    """The rows around them are compared."""
    payments = ledger(2)
    rows = [",".join(settled(payment).values()) for payment in payments]
    reconciler.file.write_text("\n".join([",".join(HEADER), rows[0], "a,b", '"x"y,1', rows[1]]) + "\n")
    said = reconciler.run()
    assert [(row["kind"], row["line"]) for row in said.report] == [("unreadable", "3"), ("unreadable", "4")]


def test_no_cell_is_a_formula_in_the_report(reconciler: Reconciler) -> None:
    """Whatever the gateway's file has in it."""
    ledger(1)
    row = settled(Payment.objects.get())
    reconciler.write([row, {**row, "transaction_id": '=HYPERLINK("http://evil")', "order_id": "@SUM(1)"}])
    (found,) = reconciler.run().report
    assert (found["transaction_id"], found["order_id"]) == ('\'=HYPERLINK("http://evil")', "'@sum(1)")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("transaction_id,amount\n", "Missing: currency, status. The first line must name the columns"),
        ("transaction_id,amount,currency,status,amount\n", "More than once: amount."),
    ],
)
def test_an_unusable_file_is_refused(reconciler: Reconciler, text: str, sentence: str) -> None:
    """Nothing was compared: exit status 2, and a sentence that says what is wrong."""
    reconciler.file.write_text(text)
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("reconcile", "--against", str(reconciler.file))
    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--from", "yesterday"], "'yesterday' is neither a date like 2026-06-30 nor a time"),
        (["--to", "2026-02-30"], "'2026-02-30' is neither"),
        (["--report", "/nowhere/at/all.csv"], "cannot be written: No such file"),
    ],
)
def test_wrong_options_are_refused(reconciler: Reconciler, options: list[str], sentence: str) -> None:
    """Before anything is compared."""
    reconciler.write([])
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("reconcile", "--against", str(reconciler.file), *options)
    assert refused.value.returncode == 2


def test_the_report_never_overwrites_the_file(reconciler: Reconciler) -> None:
    """The gateway's record is kept."""
    reconciler.write([])
    before = reconciler.file.read_text()
    with pytest.raises(CommandError, match="would overwrite the file that is compared"):
        call_command("reconcile", "--against", str(reconciler.file), "--report", str(reconciler.file))
    assert reconciler.file.read_text() == before


def test_nothing_on_both_sides_is_no_agreement(reconciler: Reconciler) -> None:
    """Exit status 2: nothing was compared."""
    reconciler.write([])
    with pytest.raises(CommandError, match="Nothing was compared") as refused:
        call_command("reconcile", "--against", str(reconciler.file), stdout=StringIO())
    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ([], 2),
        (["--from", "2026-06-15", "--to", "2026-06-15"], 2),
        (["--from", "2026-06-16"], 0),
        (["--to", "2026-06-14"], 0),
        (["--to", "2026-06-15T12:00:00Z"], 0),
        (["--to", "2026-06-15 12:00:01"], 2),
    ],
)
def test_only_what_moved_in_the_span_can_be_missing(reconciler: Reconciler, options: list[str], missing: int) -> None:
    """A file of one day need not have the others."""
    reconciler.write([settled(payment) for payment in ledger(4)[:2]])
    said = reconciler.run(*options)
    assert [row["kind"] for row in said.report] == ["missing"] * missing
    assert said.status == int(missing > 0)


def test_a_transaction_outside_of_the_span_is_known_all_the_same(reconciler: Reconciler) -> None:
    """It is compared, and not called extra."""
    reconciler.write([settled(payment) for payment in ledger(2)])
    said = reconciler.run("--from", "2026-07-01")
    assert (said.status, said.report) == (0, [])


def test_a_gateway_whose_status_stays_succeeded_is_understood(reconciler: Reconciler) -> None:
    """What was given back is in the refunded amount alone."""
    rows = [settled(payment) for payment in ledger(5)]
    for row in rows:
        row["status"] = row["status"] if row["status"] in ("AUTHORIZED", "VOIDED") else "succeeded"
    reconciler.write(rows)
    assert reconciler.run().status == 0


def test_a_failed_transaction_is_no_difference(reconciler: Reconciler) -> None:
    """The ledger keeps no transaction of a charge that was declined."""
    payments = ledger(1)
    declined = {**settled(payments[0]), "transaction_id": "txn_declined", "status": "declined"}
    reconciler.write([settled(payments[0]), declined])
    assert reconciler.run().status == 0


def test_another_gateways_transaction_is_extra(reconciler: Reconciler) -> None:
    """And where the ledger has it is said."""
    (payment,) = ledger(1)
    Payment.objects.update(gateway="stripe")
    reconciler.write([settled(payment)])
    (row,) = reconciler.run().report
    assert (row["kind"], row["in_the_ledger"]) == ("extra", "10.00 EUR CAPTURED as txn_0 at gateway stripe")


def test_where_there_are_several_gateways_one_must_be_named(reconciler: Reconciler, settings: Any) -> None:
    """And where there is none, too."""
    reconciler.write([settled(payment) for payment in ledger(1)])
    for table in ({"CARD": "simulated", "STRIPE": "stripe"}, {"CARD": "direct"}):
        settings.PAYMENT_GATEWAYS, settings.STRIPE_API_KEY = table, "sk_test_x"
        registry.gateway.cache_clear()
        with pytest.raises(CommandError, match="say whose file this is with --gateway"):
            call_command("reconcile", "--against", str(reconciler.file))
    assert reconciler.run("--gateway", "simulated").status == 0
    registry.gateway.cache_clear()


def test_totals_are_told_by_currency(reconciler: Reconciler) -> None:
    """Both sides and what lies between them."""
    payments = ledger(5)
    rows = [settled(payment) for payment in payments]
    rows[0]["amount"] = "1110.00"
    reconciler.write(rows)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in reconciler.run().out.splitlines()]
    assert ["EUR", "file", "2", "1,123.00", "13.00", "1,110.00"] in lines
    assert ["", "ledger", "2", "23.00", "13.00", "10.00"] in lines
    assert ["", "file - ledger", "0", "1,100.00", "0.00", "1,100.00"] in lines
    assert ["wrong_amount", "1"] in lines


def test_help_explains_columns_statuses_and_kinds() -> None:
    """All that is needed to make a file and to read the report."""
    text = (
        load_command_class("payment_service.payments", "reconcile")
        .create_parser("manage.py", "reconcile")
        .format_help()
    )
    for word in (*HEADER, *STATUSES, *KINDS, "Exit status", "export_settlements"):
        assert word in text


def test_only_reads(reconciler: Reconciler) -> None:
    """No statement but SELECT is sent."""
    reconciler.write([settled(payment) for payment in ledger(3)[:2]])
    with CaptureQueriesContext(connection) as queries:
        reconciler.run()
    assert {query["sql"].split()[0] for query in queries.captured_queries} == {"SELECT"}


def test_a_spreadsheet_has_saved_the_file(reconciler: Reconciler) -> None:
    """Semicolons with decimal commas, `sep=;`, rows of separators, empty cells at the end: both sides still agree."""
    payments = ledger(3)
    reconciler.write([settled(payment) for payment in payments])
    lines = reconciler.file.read_text(encoding="utf-8").splitlines()
    saved = [lines[0].replace(",", ";"), *[f"{line.replace(',', ';').replace('.', ',')};;" for line in lines[1:]]]
    reconciler.file.write_text("\n".join(["sep=;", *saved, ";;;;", ""]), encoding="utf-8")
    said = reconciler.run()
    assert (said.status, said.report) == (0, [])


def test_one_quotation_mark_spoils_one_row(reconciler: Reconciler) -> None:
    """The rows behind it are compared."""
    payments = ledger(30)
    reconciler.write([settled(payment) for payment in payments])
    lines = reconciler.file.read_text(encoding="utf-8").splitlines()
    lines[3] = f'"{lines[3]}'
    reconciler.file.write_text("\n".join(lines), encoding="utf-8")
    said = reconciler.run()
    assert [(row["kind"], row["line"]) for row in said.report] == [("unreadable", "4"), ("missing", "")]
    assert said.report[1]["transaction_id"] == payments[2].transaction_id


def test_a_cell_that_is_no_utf_8_says_how_to_save_the_file(reconciler: Reconciler) -> None:
    """Its row is unreadable, with its line; the others are compared."""
    payments = ledger(2)
    reconciler.write([settled(payment) for payment in payments])
    lines = reconciler.file.read_bytes().splitlines()
    lines[1] = lines[1].replace(b"CAPTURED", b"captur\xe9")
    reconciler.file.write_bytes(b"\n".join(lines))
    said = reconciler.run()
    (found,) = said.report
    assert (found["kind"], found["line"]) == ("unreadable", "2")
    assert found["message"].startswith("status is not UTF-8 text; save the file again as CSV in UTF-8. ")


def test_memory_does_not_grow_with_the_file(reconciler: Reconciler) -> None:
    """Fifty thousand rows that the ledger does not know take no more than a few batches of them."""
    ledger(1)
    row = {**settled(Payment.objects.get()), "order_id": ""}
    reconciler.write([{**row, "transaction_id": f"txn_other_{number}"} for number in range(50_000)])
    with open_table(reconciler.file) as table, comparing.Comparison(comparing.Span("simulated")) as comparison:
        rows = map(Parser(table.header).parse, table.records())
        tracemalloc.start()
        count = sum(1 for _ in comparison.differences(rows))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 50_001
    assert peak_bytes < 5_000_000


def test_a_payment_that_moved_since_is_a_difference(reconciler: Reconciler) -> None:
    """The file says what was; --to leaves out what is too young to be missing, not what changed."""
    (payment,) = ledger(1)
    reconciler.write([settled(payment)])
    Payment.objects.update(status="REFUNDED", refunded=10, booked=10, refunded_at=LONG_AGO + timedelta(days=1))
    assert [row["kind"] for row in reconciler.run().report] == ["wrong_status", "wrong_refunded"]
