"""Stock is never lost and never below zero, whatever is called in whatever order, and the database knows it too."""

import uuid
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import nightly
from product_stub.catalog import writes
from product_stub.catalog.models import Product, Reservation
from product_stub.catalog.ops.audit import invariants
from product_stub.tests.conftest import make_product
from servicekit.errors import ServiceError

PRODUCTS, SUPPLY = 3, 6
# The last one names no product.
WANTED = st.dictionaries(st.integers(0, PRODUCTS), st.integers(1, 4), min_size=1, max_size=3)
RESERVATIONS = st.integers(0, 3)
# All in one transaction, which a server finds harder the longer it gets; the calls are the same on each engine.
EXAMPLES = 20 if connection.vendor == "sqlite" else 6


class Shop(RuleBasedStateMachine):
    """The services beside a model of them in plain Python: both must always say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.run = uuid.uuid4().hex
        self.ids = [make_product(SUPPLY).pk for _ in range(PRODUCTS)]
        self.stock = Counter(dict.fromkeys(range(PRODUCTS), SUPPLY))
        self.reserved: Counter[int] = Counter()
        self.sold: Counter[int] = Counter()
        self.model: dict[int, tuple[str, dict[int, int]]] = {}

    def _id(self, number: int) -> str:
        return f"{self.run}-{number}"

    @rule(number=RESERVATIONS, wanted=WANTED)
    def reserve(self, number: int, wanted: dict[int, int]) -> None:
        status, items = self.model.get(number, ("absent", {}))
        bad = next((p for p, quantity in wanted.items() if p == PRODUCTS or self.stock[p] < quantity), None)
        expected = {
            "RELEASED": "reservation_released",
            "absent": None if bad is None else "product_not_found" if bad == PRODUCTS else "out_of_stock",
        }.get(status, None if items == wanted else "reservation_items_differ")
        by_id = {(self.ids[p] if p < PRODUCTS else 10**15): quantity for p, quantity in wanted.items()}
        assert _code_of(lambda: writes.reserve(self._id(number), wanted=by_id)) == expected
        if status == "absent" and expected is None:
            self.model[number] = ("HELD", wanted)
            self.stock.subtract(wanted)
            self.reserved.update(wanted)

    @rule(number=RESERVATIONS)
    def confirm(self, number: int) -> None:
        status, items = self.model.get(number, ("absent", {}))
        expected = {"absent": "reservation_not_found", "RELEASED": "reservation_released"}.get(status)
        assert _code_of(lambda: writes.confirm(self._id(number))) == expected
        if status == "HELD":
            self.model[number] = ("CONFIRMED", items)
            self.reserved.subtract(items)
            self.sold.update(items)

    @rule(number=RESERVATIONS, return_sold=st.booleans())
    def release(self, number: int, return_sold: bool) -> None:
        status, items = self.model.get(number, ("absent", {}))
        refused = status == "CONFIRMED" and not return_sold
        expected = "reservation_confirmed" if refused else None
        assert _code_of(lambda: writes.release(self._id(number), return_sold=return_sold)) == expected
        if not refused:
            self.model[number] = ("RELEASED", items)
        if status in ("HELD", "CONFIRMED") and not refused:
            (self.reserved if status == "HELD" else self.sold).subtract(items)
            self.stock.update(items)

    @rule(product=st.integers(0, PRODUCTS - 1), quantity=st.integers(1, 3))
    def restock(self, product: int, quantity: int) -> None:
        writes.restock(self.ids[product], uid=uuid.uuid4(), quantity=quantity)
        self.stock[product] += quantity

    @invariant()
    def agree(self) -> None:
        rows = Product.objects.filter(pk__in=self.ids).order_by("pk").values_list("stock", "reserved", "sold")
        assert list(rows) == [(self.stock[p], self.reserved[p], self.sold[p]) for p in range(PRODUCTS)]
        stored = dict(Reservation.objects.filter(uid__startswith=self.run).values_list("uid", "status"))
        assert stored == {self._id(number): status for number, (status, _) in self.model.items()}
        assert [finding for batch in invariants.check_products() for finding in batch.findings] == []


def _code_of(call: Callable[[], object]) -> str | None:
    """The code of what was refused, None when it was done."""
    try:
        call()
    except ServiceError as refusal:
        return refusal.code
    return None


@pytest.mark.django_db
def test_any_sequence_of_calls_agrees_with_the_model() -> None:
    """After each of them every counter, status and refusal is the model's, and no unit is lost."""
    quick = nightly.examples(EXAMPLES, stateful_step_count=25, suppress_health_check=list(HealthCheck), database=None)
    run_state_machine_as_test(Shop, settings=quick)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"stock": -1, "sold": 4}, "product_stock_not_negative"),
        ({"reserved": -1, "stock": 4}, "product_reserved_not_negative"),
        ({"sold": -1, "stock": 4}, "product_sold_not_negative"),
        ({"stock": 2}, "product_no_unit_lost"),
        ({"sold": 1}, "product_no_unit_lost"),
        ({"price": 0}, "product_price_positive"),
        ({"stock": 10**12 + 1, "supplied": 10**12 + 1}, "product_supplied_within_limit"),
    ],
)
def test_the_database_refuses_what_cannot_be(change: dict[str, int], constraint: str) -> None:
    """Even SQL typed by hand cannot lose a unit or sell one twice."""
    product = make_product(3)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Product.objects.filter(pk=product.pk).update(**change)


@pytest.mark.django_db
def test_the_database_refuses_a_status_that_is_not_in_the_table() -> None:
    """Only the three of the table can be stored."""
    with pytest.raises(IntegrityError, match="reservation_status_from_table"), transaction.atomic():
        Reservation.objects.create(uid="r-1", status="LOST", lines_text="[]")
