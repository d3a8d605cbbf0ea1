"""The table of a reservation's statuses, and the one door that moves it."""

from itertools import product as pairs

import pytest

from product_stub.catalog import lines, writes
from product_stub.catalog.lines import Line
from product_stub.catalog.models import Product, Reservation
from product_stub.catalog.states import COUNTER, TRANSITIONS, Status, may_move
from product_stub.tests.conftest import counters, make_product

EVERY_PAIR = list(pairs(Status, Status))
ALLOWED = {
    (Status.HELD, Status.CONFIRMED),
    (Status.HELD, Status.RELEASED),
    (Status.CONFIRMED, Status.RELEASED),
}


def test_every_status_has_a_row_and_a_counter() -> None:
    """No status is left out of the tables."""
    assert set(TRANSITIONS) == set(COUNTER) == set(Status)


@pytest.mark.parametrize(("source", "target"), EVERY_PAIR)
def test_the_table_allows_exactly_these_moves(source: Status, target: Status) -> None:
    """Held stock is sold or comes back; sold stock may come back; what came back stays."""
    assert may_move(source, target) == ((source, target) in ALLOWED)


def _reservation(status: Status, product: Product) -> Reservation:
    """A reservation of 3 units in this status, the product's counters with it."""
    line = Line(product.pk, product.name, product.price, 3)
    Product.objects.filter(pk=product.pk).update(
        **{"stock": 7, "reserved": 0, "sold": 0, COUNTER[status]: 10 if status is Status.RELEASED else 3}
    )
    return Reservation.objects.create(uid="r-1", status=status.value, lines_text=lines.dump([line]))


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), sorted(ALLOWED))
def test_a_move_takes_the_units_from_counter_to_counter(source: Status, target: Status) -> None:
    """Status and counters change together, and no unit is lost."""
    product = make_product(10)
    reservation = _reservation(source, product)
    before = dict(zip(("stock", "reserved", "sold"), counters(product), strict=True))
    assert writes._move([reservation], to=target)
    expected = {**before, COUNTER[source]: before[COUNTER[source]] - 3, COUNTER[target]: before[COUNTER[target]] + 3}
    assert counters(product) == tuple(expected.values())
    assert Reservation.objects.get().status == target.value


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), sorted(set(EVERY_PAIR) - ALLOWED))
def test_no_other_move_is_made(source: Status, target: Status) -> None:
    """What the table does not have changes nothing."""
    product = make_product(10)
    reservation = _reservation(source, product)
    before = counters(product)
    with pytest.raises(ValueError, match="no way from"):
        writes._move([reservation], to=target)
    assert counters(product) == before
    assert Reservation.objects.get().status == source.value


@pytest.mark.django_db
def test_a_move_of_what_somebody_else_has_moved_does_nothing() -> None:
    """The row decides, not what was read of it before."""
    product = make_product(10)
    writes.reserve("r-1", wanted={product.pk: 3})
    as_read = Reservation.objects.get()
    writes.confirm("r-1")
    assert not writes._move([as_read], to=Status.RELEASED)
    assert counters(product) == (7, 0, 3)
