"""The drills' own parts: the repair that they read from its page, what they take, and the pages that they wrote."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from audit.rules import Order, Payment, Reservation, Scope, Seen, judge
from tests import databases
from tests.drills import pages, repairs, restore, upgrade
from tests.drills.repairs import Call, Violation
from tests.stack import ROOT

STRICT = Scope(no_strangers=True)
ITEMS = {"1": 1}
A_PRICE = Decimal("30.00")
AN_ORDER = Order("id", 1, "PAID", "closed", False, A_PRICE, "USD", True, True, ITEMS)
A_PAYMENT = Payment("id", "payment", 1, "CAPTURED", A_PRICE, Decimal(0), "USD", False, False)
# No backup of an order service's payments has these beside a PAID order: it is charged and captured at once, and what
# was captured is refunded. They are for a person.
NEVER_BESIDE_PAID = ("AUTHORIZED", "VOIDED")


def everything_that_can_differ() -> Sequence[Seen]:
    """Each status of an order, or none, beside each of a payment and of a reservation."""
    orders = [None, *(replace(AN_ORDER, status=each) for each in ("PAID", "CANCELLED", "REFUNDED"))]
    orders.append(replace(AN_ORDER, status="PENDING", step="reserved", is_waiting=True))
    taken = ("CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED")
    payments = [
        None,
        *(replace(A_PAYMENT, status=each, captured=Decimal(0)) for each in ("PROCESSING", "FAILED")),
        *(replace(A_PAYMENT, status=each, captured=Decimal(0)) for each in NEVER_BESIDE_PAID),
        *(replace(A_PAYMENT, status=each) for each in taken),
    ]
    reservations = [None, *(Reservation("id", each, ITEMS) for each in ("HELD", "CONFIRMED", "RELEASED"))]
    return [
        Seen(*each)
        for each in product(orders, payments, reservations)
        if not (each[0] and each[0].status == "PAID" and each[1] and each[1].status in NEVER_BESIDE_PAID)
    ]


def test_the_guide_has_a_repair_for_whatever_backups_can_disagree_on() -> None:
    """Whatever the audit's rules say of any two statuses has a row in docs/databases.md, and each row is for some."""
    guide, used = repairs.read(restore.GUIDE), set()
    for seen in everything_that_can_differ():
        for invariant, message in judge(seen, STRICT):
            repair = repairs.first_for(guide, [Violation("id", invariant.name, message)])
            assert repair is not None, message
            used.add(repair.text)
    assert used == {repair.text for repair in guide}


def test_a_row_is_read_as_calls() -> None:
    """Said is text with gaps; done are requests at the services' ports, one after another."""
    guide = repairs.read(restore.GUIDE)
    missing = Violation("id", "", "it is PAID, so its reservation must be CONFIRMED; it is not there")
    repair = repairs.first_for(guide, [missing])
    assert repair is not None
    assert repair.calls == (
        Call("product_stub", "PUT", "/api/reservations/{id}/", '{"items": {items}}'),
        Call("product_stub", "POST", "/api/reservations/{id}/confirm/"),
    )


def test_money_comes_before_stock() -> None:
    """Of an order that lacks both its payment and its stock the payment is seen to first."""
    money = Violation("id", "", "it is PAID over 30.00 USD, but there is no payment for it")
    stock = Violation("id", "", "it is PAID, so its reservation must be CONFIRMED; it is not there")
    repair = repairs.first_for(repairs.read(restore.GUIDE), [stock, money])
    assert repair is not None
    assert [call.service for call in repair.calls] == ["payment_service"]


@pytest.mark.parametrize("row", ["| nothing quoted | `POST http://localhost:8000/` |", "| `said` | `rm -rf /` |"])
def test_a_row_that_cannot_be_understood_is_refused(row: str, tmp_path: Path) -> None:
    """Rather than left out."""
    page = tmp_path / "page.md"
    page.write_text(f"{repairs.HEADING}\n|---|---|\n{row}\n")
    with pytest.raises(ValueError, match=r"says nothing|no call"):
        repairs.read(page)


def test_what_one_service_finds_in_its_own_books_is_not_what_the_backups_differ_in() -> None:
    """Only the comparison of the three is put right by the table."""
    line = {"kind": "violation", "name": "a", "subject": "order 1", "message": "is so"}
    lines = [{**line, "service": "across"}, {**line, "service": "order_service"}, {"kind": "result"}]
    assert repairs.violations_in(lines) == ([Violation("1", "a", "is so")], ["order_service: a: order 1: is so"])


def test_a_run_on_one_engine_leaves_what_was_found_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has a table for each engine, in one order."""
    page = "# The drill\n\nAs it was.\n\n## MariaDB\n\n33\n"
    for engine, table in (("postgres", "11"), ("sqlite", "22"), ("postgres", "44")):
        monkeypatch.setattr(databases, "ENGINE", engine)
        page = pages.with_table("# The drill\n\nAs it is.\n", table, page)
    assert page == "# The drill\n\nAs it is.\n\n## SQLite\n\n22\n\n## PostgreSQL\n\n44\n\n## MariaDB\n\n33\n"


def test_the_previous_release_must_be_there() -> None:
    """Nothing is started for a name that git does not know, or takes for an option."""
    for name in ("no-such-release", "--all"):
        with pytest.raises(subprocess.CalledProcessError):
            upgrade.commit_of(name)


@pytest.mark.parametrize("name", ["restore", "upgrade"])
def test_a_drill_says_what_it_does(name: str) -> None:
    """`--help`, without starting anything."""
    command = [sys.executable, "-m", f"tests.drills.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"make drill-{name}" in done.stdout
