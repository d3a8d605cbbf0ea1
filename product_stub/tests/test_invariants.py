"""`manage.py check_invariants` passes on a healthy stub and finds each planted violation by name, with its id."""

import hashlib
import uuid
from collections.abc import Callable
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from product_stub.catalog import lines, writes
from product_stub.catalog.lines import Line
from product_stub.catalog.models import Product, Reservation
from product_stub.tests.conftest import make_product
from servicekit import exactjson
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.checking import check, unchecked

Plant = Callable[[Product], object]


@pytest.fixture
def healthy(db: None) -> Product:
    """One held, one sold, one returned, one never made, and more put on the shelf."""
    product = make_product(10)
    for number in range(3):
        writes.reserve(f"r-{number}", wanted={product.pk: 2})
    writes.confirm("r-1")
    writes.release("r-2", return_sold=False)
    writes.release("r-3", return_sold=False)
    writes.restock(product.pk, uid=uuid.uuid4(), quantity=5)
    product.refresh_from_db()
    return product


def count(product: Product, **changes: object) -> None:
    Product.objects.filter(pk=product.pk).update(**changes)


def reservation(uid: str, **changes: object) -> None:
    assert Reservation.objects.filter(uid=uid).update(**changes) == 1


def test_a_healthy_stub_passes(healthy: Product) -> None:
    """Every unit is accounted for, and it says how much it looked at."""
    checked = check()
    assert (checked.status, checked.violations) == (0, [])
    assert checked.looked_at == {"products": Product.objects.count(), "reservations": 4, "keys": 0}


def test_only_reads(healthy: Product) -> None:
    """No statement is sent that could write."""
    assert check().only_read


def test_stock_that_never_moved_is_no_pass(db: None) -> None:
    """Products alone prove nothing: exit status 2."""
    make_product(10)
    checked = check()
    assert (checked.status, checked.violations, checked.looked_at["reservations"]) == (2, [], 0)


PLANTED: list[tuple[str, Plant]] = [
    ("no_unit_is_lost", lambda product: count(product, stock=F("stock") - 1)),
    ("no_unit_is_lost", lambda product: count(product, supplied=F("supplied") + 1)),
    ("no_unit_is_lost", lambda product: count(product, stock=-1, reserved=F("reserved") + F("stock") + 1)),
    ("no_unit_is_lost", lambda product: count(product, stock=0, reserved=0, sold=4, supplied=4)),
    ("counters_follow_the_reservations", lambda product: count(product, reserved=0, stock=F("stock") + 2)),
    ("counters_follow_the_reservations", lambda product: count(product, reserved=4, stock=F("stock") - 2)),
    ("counters_follow_the_reservations", lambda product: count(product, sold=0, stock=F("stock") + 2)),
    ("counters_follow_the_reservations", lambda _: Reservation.objects.filter(uid="r-0").delete()),
    ("counters_follow_the_reservations", lambda _: reservation("r-0", status="CONFIRMED")),
    ("counters_follow_the_reservations", lambda _: reservation("r-1", status="RELEASED")),
]


@pytest.mark.parametrize(("name", "plant"), PLANTED)
def test_a_planted_violation_is_found_by_name_and_id(healthy: Product, name: str, plant: Plant) -> None:
    """And no other product is named with it."""
    with unchecked():
        plant(healthy)
        checked = check()
    assert checked.status == 1
    assert (name, f"product {healthy.pk}") in checked.broken
    assert {subject for _, subject in checked.broken} == {f"product {healthy.pk}"}
    assert checked.verdicts[name] == "fail"


@pytest.mark.parametrize("text", ["[", "[]", '[{"product_id": 1}]', lines.dump([Line(10**6, "x", Decimal(1), 1)])])
def test_a_reservation_that_cannot_be_read_is_found(healthy: Product, text: str) -> None:
    """Its units are missed at the product, too."""
    reservation("r-0", lines_text=text)
    assert check().broken == {
        ("reservations_can_be_read", "reservation r-0"),
        ("counters_follow_the_reservations", f"product {healthy.pk}"),
    }


def test_both_numbers_are_told(healthy: Product) -> None:
    """The message says what the counter has, and what the reservations have."""
    Reservation.objects.filter(uid="r-0").delete()
    ((_, _, message),) = check().violations
    assert message == "2 reserved, but reservations that are HELD have 0"


def test_an_answer_that_told_of_a_product_that_is_gone_is_found(healthy: Product) -> None:
    """An acknowledged product or restock is kept; a confirmed reservation has its caller's id, not a product's."""
    ids = {"POST /api/products": 10**6, f"POST /api/products/{healthy.pk}/restock": healthy.pk}
    for scope, product_id in {**ids, "POST /api/reservations/r-1/confirm": "r-1"}.items():
        digest = hashlib.sha256(f"{scope}\nk".encode()).hexdigest()
        body = exactjson.encode({"id": product_id}).decode()
        IdempotencyKey.objects.create(scope=scope, key="k", digest=digest, fingerprint="f", status_code=201, body=body)
    lost = IdempotencyKey.objects.get(scope="POST /api/products")
    assert check().broken == {("what_was_answered_is_kept", f"key {lost.pk}")}


def test_the_books_are_written_for_the_check_across(healthy: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, or those that are asked for."""
    output = StringIO()
    call_command("export_books", stdout=output)
    assert len(output.getvalue().splitlines()) == 4
    monkeypatch.setattr("sys.stdin", StringIO("r-1\nr-3\nnobody\n"))
    output = StringIO()
    call_command("export_books", "--only", stdout=output)
    assert [exactjson.decode(line) for line in output.getvalue().splitlines()] == [
        {"id": "r-1", "status": "CONFIRMED", "items": {str(healthy.pk): 2}},
        {"id": "r-3", "status": "RELEASED", "items": {}},
    ]
