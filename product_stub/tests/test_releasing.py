"""Stock goes back when nobody needs it, and never while an order does."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import responses
from django.core.management import call_command
from django.utils import timezone as django_timezone

from product_stub.catalog import writes
from product_stub.catalog.clients import Need, RestOrders
from product_stub.catalog.errors import OrderServiceUnavailable
from product_stub.catalog.models import Reservation
from product_stub.catalog.worker_jobs import ASKED, Expiry
from product_stub.tests.conftest import Api, FakeOrders, counters, make_product
from servicekit.http.client import HttpClient
from servicekit.http.transport import NotConnected
from servicekit.tests.peers import scripted_peer

ID = "c1a2b3d4-e5f6-4890-abcd-ef1234567890"
ORDERS = "http://orders.test/api/orders/"
AFTER_S = 900.0
FRESH, HELD, SOLD = (10, 0, 0), (7, 3, 0), (7, 0, 3)

# (before, need, with ?return=true) -> (HTTP status, code, (stock, reserved, sold)) of 10 units, 3 reserved
TABLE: dict[tuple[str, Need | None, bool], tuple[int, str | None, tuple[int, int, int]]] = {
    ("HELD", Need.NONE, False): (204, None, FRESH),
    ("HELD", Need.NONE, True): (204, None, FRESH),
    ("HELD", Need.WAITING, False): (409, "order_needs_stock", HELD),
    ("HELD", Need.WAITING, True): (409, "order_needs_stock", HELD),
    ("HELD", Need.PAID, False): (409, "order_needs_stock", HELD),
    ("HELD", Need.PAID, True): (409, "order_needs_stock", HELD),
    ("HELD", None, False): (204, None, FRESH),
    ("HELD", None, True): (204, None, FRESH),
    ("CONFIRMED", Need.NONE, False): (409, "reservation_confirmed", SOLD),
    ("CONFIRMED", Need.NONE, True): (204, None, FRESH),
    ("CONFIRMED", Need.WAITING, False): (409, "reservation_confirmed", SOLD),
    ("CONFIRMED", Need.WAITING, True): (409, "order_needs_stock", SOLD),
    ("CONFIRMED", Need.PAID, False): (409, "reservation_confirmed", SOLD),
    ("CONFIRMED", Need.PAID, True): (409, "order_needs_stock", SOLD),
    ("CONFIRMED", None, False): (409, "reservation_confirmed", SOLD),
    ("CONFIRMED", None, True): (503, "order_service_unavailable", SOLD),
}


@pytest.mark.parametrize(("before", "need", "is_return"), list(TABLE))
def test_what_an_order_needs_stays(
    api: Api, orders: FakeOrders, before: str, need: Need | None, is_return: bool
) -> None:
    """Whoever asks; what is sold goes back only when its order is known to be over."""
    product = make_product(10)
    assert api.reserve(ID, (product.pk, 3)).status == 201
    if before == "CONFIRMED":
        assert api.confirm(ID).status == 200
    orders.needs[ID] = need
    status, code, stock = TABLE[before, need, is_return]
    answer = api.release(ID, "?return=true" if is_return else "")
    assert (answer.status, (answer.body or {}).get("code")) == (status, code)
    assert counters(product) == stock
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_nobody_is_asked_where_nothing_would_go_back(api: Api, orders: FakeOrders) -> None:
    """A tombstone, a repeat, and what is sold without a word that it comes back."""
    product = make_product(10)
    assert [api.release("early").status, api.release("early").status] == [204, 204]
    api.reserve(ID, (product.pk, 3))
    api.confirm(ID)
    assert api.release(ID).status == 409
    assert orders.asked == []


MEANWHILE: dict[str, tuple[Callable[[], object], tuple[int, str | None, tuple[int, int, int]]]] = {
    "confirmed": (lambda: writes.confirm(ID), (409, "reservation_confirmed", SOLD)),
    "released": (lambda: writes.release(ID, return_sold=False), (204, None, FRESH)),
    "expired": (lambda: writes.expire(ID), (204, None, FRESH)),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_happens_while_the_order_is_asked_counts(api: Api, orders: FakeOrders, meanwhile: str) -> None:
    """A release of held stock: it finds what has become of it, and moves no unit twice."""
    orders.meanwhile, (status, code, stock) = MEANWHILE[meanwhile]
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    answer = api.release(ID)
    assert (answer.status, (answer.body or {}).get("code")) == (status, code)
    assert counters(product) == stock


def test_held_stock_that_is_sold_while_nobody_can_be_asked_stays_sold(api: Api, orders: FakeOrders) -> None:
    """What may go back as long as it is only held, may not any more."""
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    orders.needs[ID] = None
    orders.meanwhile = lambda: writes.confirm(ID)
    assert api.release(ID, "?return=true").status == 503
    assert counters(product) == SOLD


class Clock:
    """The real time, by which rows are made, and what the test has put in front of it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return django_timezone.now() + self._ahead

    def go_on(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def expiry(orders: FakeOrders, clock: Clock) -> Expiry:
    return Expiry(orders, after_s=AFTER_S, now=clock, scanned=4)


def until_idle(expiry: Expiry) -> None:
    for _ in range(100):
        if not expiry.run_once():
            return
    raise AssertionError("it never rests")


def test_a_reservation_that_cannot_be_worked_on_keeps_no_other_waiting(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry
) -> None:
    """It is asked about again later; the next goes back in the same round."""
    product = make_product(10)
    ids = ["bad", "good"]
    for reservation_id in ids:
        api.reserve(reservation_id, (product.pk, 3))

    def puzzle() -> None:
        if orders.asked[-1] == "bad":
            raise KeyError("a mistake of ours")

    orders.meanwhile = puzzle
    clock.go_on(AFTER_S + 1)
    expiry.run_once()
    assert sorted(orders.asked) == ids
    assert {each.uid: each.status for each in Reservation.objects.all()} == {"bad": "HELD", "good": "RELEASED"}
    orders.meanwhile = lambda: None
    clock.go_on(AFTER_S + 1)
    expiry.run_once()
    assert {each.status for each in Reservation.objects.all()} == {"RELEASED"}


@pytest.mark.parametrize("need", [*Need, None])
def test_what_is_held_for_too_long_goes_back_unless_an_order_needs_it(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry, need: Need | None
) -> None:
    """Or as long as nobody can be asked."""
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    orders.needs[ID] = need
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert counters(product) == (FRESH if need is Need.NONE else HELD)
    assert orders.asked == [ID]


def test_nothing_expires_before_its_time(api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry) -> None:
    """Not even what nobody has an order for; and nobody is asked."""
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    clock.go_on(AFTER_S / 2)
    until_idle(expiry)
    assert (counters(product), orders.asked) == (HELD, [])


def test_what_is_sold_or_released_is_not_asked_about(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry
) -> None:
    """A confirmed reservation does not expire, whoever's it is."""
    product = make_product(10)
    api.reserve("sold", (product.pk, 3))
    api.confirm("sold")
    api.reserve("back", (product.pk, 3))
    api.release("back")
    orders.asked.clear()
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert (counters(product), orders.asked) == (SOLD, [])


@pytest.mark.parametrize("first", [Need.WAITING, None])
def test_an_order_that_waits_is_asked_about_again(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry, first: Need | None
) -> None:
    """Once more for each time that it waited so long; when it has ended, the stock goes back."""
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    orders.needs[ID] = first
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    until_idle(expiry)
    assert (counters(product), orders.asked) == (HELD, [ID])
    orders.needs[ID] = Need.NONE
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert (counters(product), orders.asked) == (FRESH, [ID, ID])


def test_one_that_cannot_be_asked_about_holds_up_no_other(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry
) -> None:
    """It comes last, and the rest goes on with the next round."""
    product = make_product(10)
    for name in ("a", "b", "c"):
        api.reserve(name, (product.pk, 1))
    orders.needs["b"] = None
    clock.go_on(AFTER_S + 1)
    for _ in range(3):
        expiry.run_once()
    assert set(Reservation.objects.filter(status="HELD").values_list("uid", flat=True)) == {"b"}
    assert sorted(orders.asked) == ["a", "b", "c"]


def test_all_that_a_stranger_holds_comes_back(api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry) -> None:
    """More than one round looks at, and more than one asks about; a paid order's among them stays."""
    product = make_product(40)
    for number in range(2 * ASKED):
        api.reserve(f"r-{number}", (product.pk, 1))
    orders.needs["r-7"] = Need.PAID
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert counters(product) == (39, 1, 0)
    assert len(orders.asked) == 2 * ASKED


def test_one_made_later_is_found_later(api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry) -> None:
    """Each is looked at once, when its time has come."""
    product = make_product(10)
    api.reserve("first", (product.pk, 1))
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    api.reserve("second", (product.pk, 1))
    Reservation.objects.filter(uid="second").update(created_at=clock())
    until_idle(expiry)
    assert orders.asked == ["first"]
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert (orders.asked, counters(product)) == (["first", "second"], FRESH)


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_expiring_gives_way_to_what_happened_meanwhile(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry, meanwhile: str
) -> None:
    """While the order was asked: no unit moves twice, and what is sold stays sold."""
    orders.meanwhile, (_, _, stock) = MEANWHILE[meanwhile]
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert counters(product) == stock


def test_a_late_confirmation_of_what_expired_is_refused(
    api: Api, orders: FakeOrders, clock: Clock, expiry: Expiry
) -> None:
    """As after any release, and so is a late PUT; nothing is held by either."""
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    clock.go_on(AFTER_S + 1)
    until_idle(expiry)
    assert [api.confirm(ID).body["code"], api.reserve(ID, (product.pk, 3)).body["code"]] == ["reservation_released"] * 2
    assert counters(product) == FRESH


def test_the_worker_runs_each_job_once(
    api: Api, orders: FakeOrders, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`worker --once` lets go of what is due."""
    settings.RESERVATION_EXPIRES_AFTER_S = 1e-6
    product = make_product(10)
    api.reserve(ID, (product.pk, 3))
    call_command("worker", once=True)
    assert capsys.readouterr().out.splitlines() == ["expire: 2", "purge: 0"]
    assert counters(product) == FRESH


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with scripted_peer() as mock:
        yield mock


def need_of(reservation_id: str = ID, *, may_be_absent: bool = False) -> Need:
    http = HttpClient(ORDERS, connect_timeout_s=1, read_timeout_s=1)
    return RestOrders(http, may_be_absent=may_be_absent).need_of(reservation_id)


@pytest.mark.parametrize(
    ("status", "need"),
    [
        ("PENDING", Need.WAITING),
        ("PAID", Need.PAID),
        ("CANCELLED", Need.NONE),
        ("REFUNDED", Need.NONE),
        ("SHIPPED", Need.WAITING),
    ],
)
def test_an_orders_status_says_what_it_needs(wire: responses.RequestsMock, status: str, need: Need) -> None:
    """A status that is not known here may need it."""
    wire.get(f"{ORDERS}{ID}/?live=false", json={"id": ID, "status": status})
    assert need_of() is need


def test_an_unknown_order_needs_nothing(wire: responses.RequestsMock) -> None:
    """When it is the order service that says so."""
    wire.get(f"{ORDERS}{ID}/", status=404, json={"error": "Order not found", "code": "order_not_found"})
    assert need_of() is Need.NONE


@pytest.mark.parametrize("reservation_id", ["7", UUID(ID).hex, ID.upper()])
def test_another_name_of_an_order_is_not_its_reservation(wire: responses.RequestsMock, reservation_id: str) -> None:
    """Stock that a stranger holds under the number of a paid order belongs to no order."""
    wire.get(f"{ORDERS}{reservation_id}/", json={"id": ID, "status": "PAID"})
    assert need_of(reservation_id) is Need.NONE


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": "Not found", "code": "not_found"}),
        (404, "no such page"),
        (500, {}),
        (503, {"code": "overloaded"}),
        (200, {"id": ID}),
        (200, [1]),
        (302, {}),
        (401, {"code": "invalid_key"}),
        (403, {"code": "insufficient_scope", "scope": "orders:read"}),
    ],
)
def test_any_other_answer_says_nothing(wire: responses.RequestsMock, status: int, body: Any) -> None:
    """A wrong address, too: it must not make every order unknown."""
    wire.get(f"{ORDERS}{ID}/", status=status, json=body)
    with pytest.raises(OrderServiceUnavailable):
        need_of(may_be_absent=True)


def test_where_nobody_is_there_is_said_by_the_settings() -> None:
    """By itself the stub has no orders to ask about; told where they are it waits for them."""
    http = HttpClient("http://127.0.0.1:9/", connect_timeout_s=1, read_timeout_s=1)
    assert RestOrders(http, may_be_absent=True).need_of(ID) is Need.NONE
    with pytest.raises(OrderServiceUnavailable):
        RestOrders(http, may_be_absent=False).need_of(ID)


def test_an_order_service_that_was_there_is_waited_for(wire: responses.RequestsMock) -> None:
    """Also where no setting names it: it is away, and not absent."""
    orders = RestOrders(HttpClient(ORDERS, connect_timeout_s=1, read_timeout_s=1), may_be_absent=True)
    wire.get(f"{ORDERS}{ID}/", body=NotConnected("refused"))
    wire.get(f"{ORDERS}{ID}/", json={"id": ID, "status": "PAID"})
    wire.get(f"{ORDERS}{ID}/", body=NotConnected("refused"))
    assert [orders.need_of(ID), orders.need_of(ID)] == [Need.NONE, Need.PAID]
    with pytest.raises(OrderServiceUnavailable):
        orders.need_of(ID)
