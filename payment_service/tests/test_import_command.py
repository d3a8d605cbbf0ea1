"""`manage.py import_payments` as its user knows it: options, what it prints, its report and its exit status."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import IntegrityError, connection
from rest_framework.test import APIClient
from rich.console import Console

import start
from payment_service.payments.importing import progress
from payment_service.payments.importing.report import harmless
from payment_service.payments.models import Payment
from payment_service.settings import HERE
from payment_service.tests.importing import (
    HEADER,
    ROW,
    Importer,
    command,
    counts,
    in_batches_of,
    numbered,
    row,
    text_of,
)
from tests import databases

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("numbers_from_one")]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows each."""
    in_batches_of(3, monkeypatch)


def reported(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_dry_run_writes_nothing_and_says_the_same(run: Importer, small_batches: None) -> None:
    """Clashes between rows far apart included."""
    run([row(order_id=900, reference="OLD", payment_id=77)])
    rows = [
        row(order_id=900, reference="OLD", payment_id=77),
        *numbered(5),
        row(order_id=900, reference="NEW"),
        row(order_id=1001, reference="OTHER"),
        row(order_id=2000, reference="REF-2"),
        row(order_id=2001, reference="MORE", payment_id=3),
        row(order_id=2001, reference="MORE", payment_id=3),
        row(status="x"),
    ]
    dry = run(rows, "--dry-run")
    assert counts() == (1, 1, 0)
    assert dry.out.startswith(
        "Dry run, nothing was written. 12 rows read: 6 would be imported, 1 already there, 5 failed"
    )
    real = run.again()
    assert counts() == (7, 7, 0)
    assert real.out.startswith("12 rows read: 6 imported, 1 already there, 5 failed")
    assert (dry.status, dry.err) == (real.status, real.err)


@pytest.mark.parametrize("bad", [row(order_id=1, reference="X", status="?"), row(order_id=5000, reference="REF-2")])
def test_stop_ends_at_the_first_row_that_fails(run: Importer, small_batches: None, bad: str) -> None:
    """Whether it is wrong by itself or clashes: those before it are imported, those behind it are not looked at."""
    rows = [*numbered(4), bad, row(amount="y"), *numbered(3, first=5)]
    done = run(rows, "--on-error", "stop")
    assert (done.status, counts()) == (1, (4, 4, 0))
    assert done.err.count("\n") == 1
    assert done.err.startswith("line 6, ")
    assert "5 rows read: 4 imported, 0 already there, 1 failed" in done.out


def test_skip_goes_on(run: Importer, small_batches: None) -> None:
    """It is the default."""
    rows = [*numbered(4), row(amount="x"), *numbered(3, first=5)]
    for options in [["--dry-run"], [], ["--on-error", "skip"]]:
        done = run(rows, *options)
        assert done.status == 1
        assert "8 rows read: " in done.out
        assert ", 1 failed" in done.out
    assert counts() == (7, 7, 0)


def test_clashes_are_reported_with_line_and_column(run: Importer, small_batches: None) -> None:
    """In the batch, across batches, with the ledger; in the file's order."""
    run([row(order_id=900, reference="OLD", payment_id=77)])
    rows = [
        row(order_id=900, reference="OLD2"),
        row(order_id=901, reference="OLD"),
        row(order_id=900, reference="OLD", amount="1.00"),
        *numbered(3),
        row(order_id=2000, reference="REF-1"),
        row(order_id=1001, reference="NEW"),
        row(order_id=3000, reference="TWICE", payment_id=""),
        row(order_id=3001, reference="TWICE", payment_id=""),
        row(order_id=3000, reference="NEWER", payment_id=""),
    ]
    done = run(rows)
    assert done.status == 1
    assert done.err.splitlines() == [
        "line 2, order_id '900': This order has a payment in the ledger that took the money, OLD; give back what one "
        "of the two took.",
        "line 3, reference 'OLD': The ledger has this reference for another order, 900.",
        "line 4, amount '1.00': The ledger has this payment over 561.00.",
        "line 8, reference 'REF-1': Line 5 has this reference already.",
        "line 9, order_id '1001': Line 5 took the money for this order already; give back what one of the two took.",
        "line 11, reference 'TWICE': Line 10 has this reference already.",
        "line 12, order_id '3000': Line 10 took the money for this order already; give back what one of the two took.",
    ]
    assert counts() == (5, 5, 0)


def test_clashes_with_rows_that_are_written_last(run: Importer, small_batches: None) -> None:
    """A row whose number was taken comes first all the same, though it is not in the ledger yet."""
    run([row(payment_id=1, order_id=900, reference="OLD")])
    late = [row(payment_id=1, order_id=10, reference="A"), *numbered(3, first=2)]
    done = run([*late, row(payment_id="", order_id=11, reference="A"), row(payment_id="", order_id=10, reference="B")])
    assert done.err.splitlines() == [
        "line 6, reference 'A': Line 2 has this reference already.",
        "line 7, order_id '10': Line 2 took the money for this order already; give back what one of the two took.",
    ]
    assert (Payment.objects.get(order_id="10").reference, Payment.objects.get(order_id="10").number) == ("A", 5)


def test_the_report_has_every_problem(run: Importer) -> None:
    """With line, column and cell; the terminal shows the first few and says where the others are."""
    rows = [row(payment_id=n, reference=f"R{n}", order_id=n, amount="x") for n in range(1, 61)]
    done = run([*rows, row(payment_id=61)], "--report", str(run.report))
    assert done.status == 1
    assert done.err.count("\n") == progress.SHOWN_PROBLEMS + 1
    assert f"... and 40 more; all are in {run.report}." in done.err
    assert "--report FILE" in run.again().err
    lines = reported(run.report)
    assert [line["line"] for line in lines] == [str(n) for n in range(2, 62)]
    assert {(line["outcome"], line["column"], line["value"]) for line in lines} == {("failed", "amount", "x")}
    assert all(line["message"].startswith("Must be an amount") for line in lines)


@pytest.mark.parametrize("column", ["amount", "method", "status", "created_at", "refunded"])
def test_a_card_number_in_a_wrong_cell_is_shown_nowhere(run: Importer, column: str) -> None:
    """Neither to whoever runs it nor in the report; what finds the row again is shown as it is."""
    done = run([row(order_id="4242424242424242", **{column: "4242 4242 4242 4242"})], "--report", str(run.report))
    assert done.status == 1
    (line,) = reported(run.report)
    assert (line["column"], line["value"]) == (column, "*" * 19)
    assert "4242 4242" not in done.err + done.out + run.report.read_text()


def test_a_report_without_problems_has_its_header(run: Importer) -> None:
    """So that an old one is not taken for this run's."""
    run.report.write_text("old")
    assert run([row()], "--report", str(run.report)).status == 0
    assert run.report.read_text() == '"line","outcome","column","value","message"\n'


def test_another_number_is_a_note_with_a_count(run: Importer) -> None:
    """Not a line for each, neither on the terminal nor in the report: nothing failed."""
    run(numbered(30))
    rows = [row(payment_id=n, order_id=n, reference=f"B-{n}") for n in range(1, 31)]
    done = run([*rows, row(payment_id=99, order_id=99, amount="x")], "--report", str(run.report))
    assert "31 rows read: 30 imported, 0 already there, 1 failed" in done.out
    assert "30 got another payment_id, because theirs was taken." in done.out
    assert done.err.count("\n") == 1
    assert [line["line"] for line in reported(run.report)] == ["32"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\uff1d", "'="])
def test_formulas_are_harmless_in_the_report(run: Importer, start: str) -> None:
    """What a spreadsheet would run stands behind an apostrophe, quoted, as text."""
    formula = f'{start}HYPERLINK("http://x"; "y")'
    quoted = '"' + formula.replace('"', '""') + '"'
    done = run([ROW.replace("SUCCESS", quoted)], "--report", str(run.report))
    assert done.status == 1
    (line,) = reported(run.report)
    assert line["value"] in (formula, f"'{formula}")
    assert not line["value"].strip().startswith(("=", "+", "-", "@", "\uff1d"))


def test_the_report_is_for_the_same_spreadsheet(run: Importer) -> None:
    """Semicolons where the file has them: a comma in a cell, or a semicolon, opens no new cell."""
    run(text_of([row(status="a")]).replace(",", ";"), "--report", str(run.report))
    assert run.report.read_text().splitlines()[0] == '"line";"outcome";"column";"value";"message"'


def test_harmless_leaves_other_cells_alone() -> None:
    """Dates, amounts, words."""
    assert [harmless(cell) for cell in ["", "12.50", "a=b", "x-1", "2025-11-10"]] == [
        "",
        "12.50",
        "a=b",
        "x-1",
        "2025-11-10",
    ]


def test_a_cell_cannot_speak_to_the_terminal(run: Importer) -> None:
    """Control characters are shown, not sent; long cells are cut."""
    done = run([row(method="\x1b[2J" + "x" * 5000)])
    assert "\x1b" not in done.err
    assert "\\x1b[2Jxxx" in done.err
    assert len(done.err) < 500


def test_a_report_that_cannot_be_written(run: Importer, tmp_path: Path) -> None:
    """Is said before anything is imported; the input is never overwritten."""
    done = run([row()], "--report", str(tmp_path / "none" / "report.csv"))
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert "cannot be written: No such file or directory." in done.err
    same = run.again("--report", str(run.file))
    assert (same.status, counts()) == (1, (0, 0, 0))
    assert "would overwrite" in same.err
    assert run.file.read_text() == text_of([row()])


def test_if_empty_leaves_a_ledger_alone_that_has_payments(run: Importer) -> None:
    """For the sample at the first start."""
    assert run([row()], "--if-empty").status == 0
    done = run(numbered(3), "--if-empty")
    assert (done.status, done.out) == (0, "")
    assert counts() == (1, 1, 0)


def test_a_refusal_of_the_database_is_reported(run: Importer) -> None:
    """A row that it does not take for a reason of its own: only that one fails."""

    def refuse_the_second(execute: Any, sql: str, values: Any, many: bool, context: Any) -> Any:
        if many and "payments_payment" in sql and any("R2" in row for row in values):
            raise IntegrityError("not this one")
        return execute(sql, values, many, context)

    rows = [row(payment_id=n, order_id=n, reference=f"R{n}") for n in range(1, 5)]
    with connection.execute_wrapper(refuse_the_second):
        done = run([*rows, rows[0]])
    assert (done.status, counts()) == (1, (3, 3, 0))
    assert done.err.startswith("line 3: The database refused it: not this one")
    assert "line 6, reference 'R1': Line 2 has this reference already." in done.err


def test_help_explains_everything() -> None:
    """Each column, each option, the exit statuses and an example."""
    parser = load_command_class("payment_service.payments", "import_payments").create_parser(
        "manage.py", "import_payments"
    )
    text = parser.format_help()
    words = [
        *HEADER.split(","),
        "--dry-run",
        "--on-error",
        "--report",
        "--if-empty",
        "Exit status",
        "examples",
        "UTF-8",
    ]
    assert [word for word in words if word not in text] == []
    assert max(len(line) for line in text.splitlines()) <= 120


def test_a_wrong_option_is_a_wrong_command() -> None:
    """Not a failed import."""
    with pytest.raises(CommandError, match="invalid choice: 'panic'"):
        call_command("import_payments", "x.csv", "--on-error=panic")


def test_a_bar_on_a_terminal(run: Importer, monkeypatch: pytest.MonkeyPatch, small_batches: None) -> None:
    """Where standard error is a terminal; elsewhere nothing but problems is written to it."""
    screen = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    done = run(numbered(10))
    assert (done.status, done.err) == (0, "")
    assert "Importing" in screen.getvalue()
    assert "10 rows, 0 failed" in screen.getvalue()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[databases.Database]:
    """An empty one, for real processes."""
    own = databases.at(tmp_path / "import.sqlite3")
    own.create()
    yield own
    own.drop()


def test_as_a_program(database: databases.Database, tmp_path: Path) -> None:
    """A real process over its own database: 1 and a sentence before it is migrated, then 0; 2 for a wrong command."""
    (tmp_path / "payments.csv").write_text(text_of(numbered(3)))
    environment = {**os.environ, **database.environment}

    def manage(*arguments: str) -> Any:
        command = [sys.executable, str(HERE / "manage.py"), *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    early = manage("import_payments", "payments.csv")
    assert (early.returncode, "Is it migrated?" in early.stderr, "Traceback" in early.stderr) == (1, True, False)
    assert manage("migrate", "-v0").returncode == 0
    done = manage("import_payments", "payments.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 rows read: 3 imported, 0 already there, 0 failed; ")
    assert manage("import_payments").returncode == 2


def test_the_first_start_loads_the_sample(database: databases.Database) -> None:
    """`make run` fills an empty ledger, once; at the next start it says nothing and leaves it alone."""
    environment = {**os.environ, **database.environment}
    subprocess.run([sys.executable, HERE / "manage.py", "migrate", "-v0"], env=environment, check=True)
    for _ in range(2):
        assert start._load_sample(environment) == 0
        assert database.rows("SELECT count(*), max(number) FROM payments_payment") == [(150, 150)]


def test_nothing_of_this_touches_other_payments(run: Importer, client: APIClient) -> None:
    """A payment that lives here stays as it is."""
    client.post("/api/payments/", {"order_id": 342, "amount": 561}, content_type="application/json")
    before = Payment.objects.values().get()
    assert run([row()]).status == 1
    assert Payment.objects.values().get() == before


def test_an_unreadable_command_line_names_the_file() -> None:
    """An empty name is no file either."""
    assert command("").status == 1
