"""Importing again: after a kill, after a success, any mix of rows, any batch size, two at once: nothing twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

import nightly
from payment_service.payments.importing import run as running
from payment_service.payments.importing.write_batch import Ids
from payment_service.payments.models import FailedAttempt, Payment, Refund
from payment_service.settings import HERE
from payment_service.tests.importing import (
    Done,
    Importer,
    counts,
    forget_all,
    in_batches_of,
    ledger,
    numbered,
    row,
    text_of,
)
from servicekit.events.models import Event
from servicekit.tests.checking import check
from tests import databases

# A cold start on a machine that does other things, too.
PATIENCE_S = 600


@pytest.mark.django_db
def test_a_second_run_finds_everything(run: Importer) -> None:
    """All are already there, and not a row of the database is another."""
    run([*numbered(5), row(refunded=1)])
    before, events = ledger(), list(Event.objects.values())
    done = run.again()
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("6 rows read: 0 imported, 6 already there, 0 failed")
    assert (ledger(), list(Event.objects.values())) == (before, events)


@pytest.mark.django_db
def test_a_longer_file_brings_only_what_is_new(run: Importer) -> None:
    """As an export of the next day does."""
    run(numbered(5))
    assert run(numbered(8)).out.startswith("8 rows read: 3 imported, 5 already there, 0 failed")
    assert counts() == (8, 8, 0)


@pytest.mark.django_db
def test_what_has_become_of_a_payment_since_stays(run: Importer, client: APIClient) -> None:
    """The file's older word does not undo a refund, and is no failure."""
    run([row()])
    client.post("/v1/payments/7/refund", {}, content_type="application/json")
    before = ledger()
    assert run.again().status == 0
    assert ledger() == before
    assert Payment.objects.get().status == "REFUNDED"


cells = st.fixed_dictionaries(
    {
        "payment_id": st.sampled_from(["", 1, 2, 3, 4, 5, 6, 7]),
        "order_id": st.integers(1, 8),
        "amount": st.sampled_from(["1.00", "1.00", "2.50", "x"]),
        "status": st.sampled_from(["SUCCESS", "SUCCESS", "FAILED", "?"]),
        "reference": st.sampled_from("ABCDEFGH"),
        "refunded": st.sampled_from([0, 0, 1]),
        "created_at": st.sampled_from(["2025-11-10 12:05:00", "2025-11-10 12:09:00"]),
    }
).map(lambda chosen: row(**chosen))
# All in one transaction, which a server finds harder the longer it gets; what is drawn is the same on each engine.
EXAMPLES = 25 if connection.vendor == "sqlite" else 10
examples = nightly.examples(EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(done: Done) -> tuple[int, list[str]]:
    """What a run found wrong, without its counts and times."""
    return done.status, done.err.splitlines()


@pytest.mark.django_db
@examples
@given(rows=st.lists(cells, max_size=12))
def test_any_mix_twice_is_the_same_as_once(run: Importer, rows: list[str]) -> None:
    """The second run changes nothing, and finds the same rows wrong."""
    forget_all()
    first = run(rows)
    once = ledger()
    again = run.again()
    assert ledger() == once
    assert " 0 imported" in again.out
    assert [line.split(" ")[1] for line in outcome(again)[1]] == [line.split(" ")[1] for line in outcome(first)[1]]
    assert again.status == first.status
    assert sum(Payment.objects.values_list("version", flat=True)) == Event.objects.count()


def booked() -> tuple[list[Any], ...]:
    """All that the ledger says about the money.

    Not in it: `version`, which counts the writes of a row (its events), `updated_at`, ids, and the numbers that the
    database gives to rows without one.
    """
    left_out = ("number", "uid", "version", "updated_at")
    names = [field.attname for field in Payment._meta.concrete_fields if field.attname not in left_out]
    attempts = FailedAttempt.objects.order_by("reference")
    refunds = Refund.objects.order_by("payment__order_id")
    return (
        list(Payment.objects.order_by("order_id").values_list(*names)),
        list(attempts.values_list("reference", "payment_id", "amount", "method", "created_at")),
        list(refunds.values_list("payment__order_id", "amount", "reason", "status", "attempt")),
    )


FAILED_FIRST = [
    row(payment_id="", order_id=1, amount="1.00", status="FAILED", reference="A"),
    row(payment_id="", order_id=1, amount="2.50", reference="B", method="UPI", created_at="2025-11-10 12:09:00"),
]
# The first one's number may be taken; then it comes last, and has taken the money all the same.
PUT_OFF = [
    row(payment_id=2, order_id=2, reference="A"),
    row(payment_id="", order_id=2, status="FAILED", reference="B"),
    row(payment_id="", order_id=2, reference="C"),
]


@pytest.mark.django_db
@examples
@given(before=st.lists(cells, max_size=4), rows=st.lists(cells, max_size=12), size=st.integers(1, 5))
@example(before=[], rows=[row(order_id=1, status="FAILED", reference="A"), row(order_id=1, reference="B")], size=1)
@example(before=[], rows=FAILED_FIRST, size=1)
@example(before=[], rows=FAILED_FIRST[::-1], size=1)
@example(before=[], rows=[*FAILED_FIRST, row(payment_id="", order_id=1, status="FAILED", reference="C")], size=2)
@example(before=[], rows=[FAILED_FIRST[0], row(payment_id="", order_id=1, reference="B", refunded=1)], size=1)
@example(before=[row(payment_id=2, order_id=5, reference="D")], rows=PUT_OFF, size=1)
@example(before=FAILED_FIRST[:1], rows=[FAILED_FIRST[1], row(payment_id="", order_id=1, reference="B")], size=1)
def test_batches_do_not_show(run: Importer, before: list[str], rows: list[str], size: int) -> None:
    """Whatever was there, however many rows a transaction has, dry or not: the same rows are found wrong, in order, and
    the ledger is the same afterwards."""
    found = []
    for batch, options in [(1000, ["--dry-run"]), (size, ["--dry-run"]), (1000, []), (size, [])]:
        forget_all()
        run(before)
        with pytest.MonkeyPatch.context() as patch:
            in_batches_of(batch, patch)
            done = run(rows, *options)
        found.append((outcome(done), booked()))
    assert found[0][0] == found[1][0] == found[2][0] == found[3][0]
    assert found[2][1] == found[3][1]


@pytest.mark.django_db
@pytest.mark.parametrize("files", list(permutations([*FAILED_FIRST, row(order_id=1, status="FAILED", reference="C")])))
def test_a_paid_order_reads_like_the_row_that_paid_it(run: Importer, files: tuple[str, ...]) -> None:
    """Whether it failed before, in a file of its own, or after: nothing but `version` tells."""
    run([FAILED_FIRST[1]])
    alone = booked()[0]
    forget_all()
    for line in files:
        run([line])
    assert booked()[0] == alone


@pytest.mark.django_db
@examples
@given(rows=st.lists(cells, max_size=10), seed=st.randoms(use_true_random=False))
def test_one_payment_for_an_order_and_one_for_a_reference(run: Importer, rows: list[str], seed: Any) -> None:
    """In whatever order a file has its rows."""
    forget_all()
    seed.shuffle(rows)
    run(rows)
    payments = Payment.objects.values_list("order_id", "reference", "number")
    assert all(len(set(column)) == len(column) for column in zip(*payments, strict=True))


attempts = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([("FAILED", 0), ("FAILED", 0), ("SUCCESS", 0), ("SUCCESS", 1)]),
        st.sampled_from(["", 1, 2, 3, 4, 5]),
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.django_db
@examples
@given(drawn=attempts, size=st.integers(1, 5), cut=st.integers(0, 10))
def test_an_order_is_paid_once_if_any_attempt_paid_it(run: Importer, drawn: list[Any], size: int, cut: int) -> None:
    """Whatever the order of rows, batches and files: no payment that took money is lost, and none is there twice."""
    forget_all()
    rows = [
        row(order_id=order, status=status, refunded=refunded, payment_id=number, reference=f"R-{n}")
        for n, (order, (status, refunded), number) in enumerate(drawn)
    ]
    with pytest.MonkeyPatch.context() as patch:
        in_batches_of(size, patch)
        for some in (rows[cut:], rows[:cut], rows):
            run(some)
    payments = Payment.objects.all()
    assert {payment.order_id for payment in payments} == {str(order) for order, *_ in drawn}
    took = {str(order) for order, (status, _), _ in drawn if status == "SUCCESS"}
    assert {payment.order_id for payment in payments if payment.taken} == took
    kept = {payment.reference for payment in payments} | set(FailedAttempt.objects.values_list("reference", flat=True))
    failed = {f"R-{n}" for n, (_, (status, _), _) in enumerate(drawn) if status == "FAILED"}
    assert failed <= kept
    assert len(kept) == len(failed) + len(took)
    assert check().violations == []
    before = ledger()
    again = run(rows)
    assert (ledger(), " 0 imported" in again.out) == (before, True)
    second = sum(status == "SUCCESS" for _, (status, _), _ in drawn) - len(took)
    assert f"{second} failed" in again.out


def test_ids_tell_their_run_and_line() -> None:
    """Version 7, rising with the lines, and nobody else's."""
    now = datetime.now(tz=timezone.utc)
    ids, others = Ids(now), Ids(now)
    made = [UUID(ids.of_line(line)) for line in (2, 3, 10, 2**36 - 1)]
    assert made == sorted(made)
    assert {uid.version for uid in made} == {7}
    assert {uid.variant for uid in made} == {"specified in RFC 4122"}
    assert [ids.line_of(uid) for uid in made] == [2, 3, 10, 2**36 - 1]
    assert [others.line_of(uid) for uid in made] == [None] * 4


class Files:
    """A database and an input of its own, for real processes."""

    def __init__(self, folder: Path, database: databases.Database) -> None:
        self.folder = folder
        self.database = database
        self.environment = {**os.environ, **database.environment}
        self.manage("migrate", "-v0").communicate(timeout=PATIENCE_S)

    def manage(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, str(HERE / "manage.py"), *arguments]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def count(self, table: str) -> int:
        return int(self.database.rows(f"SELECT count(*) FROM {table}")[0][0])

    def wait_for(self, rows: int, *, table: str = "payments_payment") -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.count(table) < rows:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    database = databases.at(tmp_path / "import.sqlite3")
    database.create()
    yield Files(tmp_path, database)
    database.drop()


def test_killed_half_way_and_run_again(files: Files, tmp_path: Path) -> None:
    """kill -9 with two batches committed and a third one begun: both are whole, and the next run brings the rest."""
    rows = numbered(3 * running.BATCH)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    first = files.manage("import_payments", "pipe")
    with suppress(BrokenPipeError), pipe.open("w") as feed:
        feed.write(text_of(rows[: 2 * running.BATCH + running.BATCH // 2]))
        feed.flush()
        files.wait_for(2 * running.BATCH)
        first.kill()
        first.communicate(timeout=PATIENCE_S)
    assert first.returncode == -signal.SIGKILL
    assert (files.count("payments_payment"), files.count("events_event")) == (2 * running.BATCH,) * 2
    (tmp_path / "whole.csv").write_text(text_of(rows))
    out, err = files.manage("import_payments", "whole.csv").communicate(timeout=PATIENCE_S)
    assert err == ""
    assert out.startswith(
        f"{len(rows):,} rows read: {running.BATCH:,} imported, {2 * running.BATCH:,} already there, 0 failed"
    )
    assert (files.count("payments_payment"), files.count("events_event")) == (len(rows),) * 2


def test_killed_at_any_moment(files: Files, tmp_path: Path) -> None:
    """Again and again, until one comes through: payments and events are always the same number, in whole batches."""
    total = 5 * running.BATCH
    (tmp_path / "whole.csv").write_text(text_of(numbered(total)))
    for batches in range(1, 5):
        process = files.manage("import_payments", "whole.csv")
        files.wait_for(batches * running.BATCH)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        assert files.count("payments_payment") == files.count("events_event")
        assert files.count("payments_payment") % running.BATCH == 0
    out, _ = files.manage("import_payments", "whole.csv").communicate(timeout=PATIENCE_S)
    assert " 0 failed" in out
    assert (files.count("payments_payment"), files.count("events_event")) == (total, total)


def test_attempts_killed_at_any_moment(files: Files, tmp_path: Path) -> None:
    """Every order failed first and was paid batches later: in the end each is paid, once, and no attempt is lost."""
    total = running.BATCH
    orders = range(1, total + 1)
    failed = [row(payment_id=n, order_id=n, reference=f"F-{n}", status="FAILED") for n in orders]
    paid = [row(payment_id=total + n, order_id=n, reference=f"S-{n}") for n in orders]
    (tmp_path / "whole.csv").write_text(text_of([*failed, *paid]))
    process = files.manage("import_payments", "whole.csv")
    files.wait_for(running.BATCH, table="events_event")
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    taken = files.database.rows("SELECT count(*) FROM payments_payment WHERE status = 'CAPTURED'")[0][0]
    assert files.count("events_event") == files.count("payments_payment") + taken
    assert files.count("payments_failedattempt") == taken
    assert taken in (0, total)
    out, _ = files.manage("import_payments", "whole.csv").communicate(timeout=PATIENCE_S)
    assert " 0 failed" in out
    paid_numbers = "SELECT count(*), min(number), max(number) FROM payments_payment WHERE status = 'CAPTURED'"
    assert files.database.rows(paid_numbers) == [(total, total + 1, 2 * total)]
    assert (files.count("payments_payment"), files.count("payments_failedattempt")) == (total, total)


def test_two_at_once(files: Files, tmp_path: Path) -> None:
    """Together they import each row once, and neither fails."""
    total = 3 * running.BATCH
    (tmp_path / "whole.csv").write_text(text_of(numbered(total)))
    both = [files.manage("import_payments", "whole.csv") for _ in range(2)]
    printed = [process.communicate(timeout=PATIENCE_S) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    imported = [int(out.split(" rows read: ")[1].split(" ")[0].replace(",", "")) for out, _ in printed]
    assert sum(imported) == total
    assert (files.count("payments_payment"), files.count("events_event")) == (total, total)


def test_ctrl_c(files: Files, tmp_path: Path) -> None:
    """Ends it with the count of what is committed, and the advice to run it again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = files.manage("import_payments", "pipe")
    with suppress(BrokenPipeError), pipe.open("w") as feed:
        feed.write(text_of(numbered(running.BATCH + 10)))
        feed.flush()
        files.wait_for(running.BATCH)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert out.startswith(f"{running.BATCH:,} rows read: {running.BATCH:,} imported")
    assert "Interrupted. Run this again to import the rest." in err
    assert "Traceback" not in err
