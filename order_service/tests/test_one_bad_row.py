"""One order that cannot be worked on: the others go on in the same round; it is in nobody's way, and in sight."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from order_service.orders import payment_hints, reads
from order_service.orders.models import Order
from order_service.orders.ports import PaymentSeen
from order_service.orders.worker_jobs import ask_once
from order_service.tests.conftest import Shop, trail
from order_service.tests.fakes import FakePayments, Fault, Killed
from servicekit.db import clock, rows
from servicekit.events import store

# What nothing of ours ever writes: changes to a row of which the saga can make nothing.
POISONS: list[dict[str, Any]] = [
    {"asked": [{"product": 1}]},
    {"asked": 7},
    {"asked": [{"product_id": 1, "quantity": "two"}, None]},
    {"currency": "ZZZ"},
]


def killed(shop: Shop) -> Order:
    """An order whose request died before anything was reserved."""
    shop.products.fail("reserve", Fault.KILLED_BEFORE)
    with pytest.raises(Killed):
        shop.place()
    return Order.objects.order_by("-number")[0]


def failures(job: str) -> float:
    return REGISTRY.get_sample_value("worker_rows_failed_total", {"job": job}) or 0.0


@pytest.mark.parametrize("poison", POISONS, ids=str)
def test_the_others_are_resumed_in_the_same_round(shop: Shop, poison: dict[str, Any]) -> None:
    """The first of three is bad; the two behind it are paid at once."""
    bad, good, better = killed(shop), killed(shop), killed(shop)
    Order.objects.filter(pk=bad.pk).update(**poison)
    before = failures("resume")
    with capture_logs() as lines:
        assert shop.work_once() == 2
    assert {order.status for order in Order.objects.exclude(pk=bad.pk)} == {"PAID"}
    assert (good.number, better.number) == (bad.number + 1, bad.number + 2)
    assert failures("resume") == before + 1
    failed = [line for line in lines if line["event"] == "worker.row_failed"]
    assert [(line["job"], line["row"], line["log_level"]) for line in failed] == [("resume", str(bad.number), "error")]


def test_it_is_left_alone_for_longer_each_time_and_says_why(shop: Shop, waits: list[float]) -> None:
    """Doubled up to ten minutes; in its trail there is the reason, and nothing of our insides but its name."""
    bad = killed(shop)
    Order.objects.filter(pk=bad.pk).update(asked=7)
    for _ in range(11):
        shop.work_once()
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]
    assert trail(bad) == ["order.created", *["order.postponed"] * 11]
    assert reads.trail_of(bad)[-1]["data"] == {"step": "placed", "why": "could not be worked on: TypeError"}
    assert list(reads.unfinished()) == [bad]


def test_it_is_worked_on_when_somebody_has_mended_it(shop: Shop) -> None:
    """Nothing of it is lost."""
    bad = killed(shop)
    right = Order.objects.get(pk=bad.pk).asked
    Order.objects.filter(pk=bad.pk).update(asked=7)
    shop.work_once()
    Order.objects.filter(pk=bad.pk).update(asked=right)
    shop.work_once()
    assert Order.objects.get(pk=bad.pk).status == "PAID"


def test_one_that_cannot_even_be_moved_is_put_behind_the_others(shop: Shop, waits: list[float]) -> None:
    """Its trail cannot be written: it waits all the same, and is counted."""
    bad, good = killed(shop), killed(shop)
    Order.objects.filter(pk=bad.pk).update(asked=7)
    # The sequence of its next event is taken: once after the claim, and once for the move.
    store.append(
        "order.postponed", aggregate_type="order", aggregate_id=str(bad.uid), sequence=bad.version + 2, data={}
    )
    assert shop.work_once() == 1
    assert Order.objects.get(pk=good.pk).status == "PAID"
    assert Order.objects.get(pk=bad.pk).retry_count == 1
    assert waits == [1, 1]  # the one that was asked for was rolled back with its move
    assert shop.work_once() == 0


def test_a_row_that_no_reader_understands_is_put_behind_the_others(shop: Shop, waits: list[float]) -> None:
    """Where the database lets such a row be: the columns that put it off are all that is read of it."""
    bad, good = killed(shop), killed(shop)
    if connection.vendor == "sqlite":  # the others have types of their own for it
        with connection.cursor() as cursor:
            cursor.execute("pragma ignore_check_constraints = on")
            cursor.execute("update orders_order set asked = 'no json' where number = %s", [bad.number])
    else:
        Order.objects.filter(pk=bad.pk).update(asked=7)
    assert shop.work_once() == 1
    assert Order.objects.get(pk=good.pk).status == "PAID"
    assert list(Order.objects.filter(pk=bad.pk).values_list("retry_count", flat=True)) == [1]
    assert waits == [1]


def test_one_that_another_has_finished_meanwhile_is_left_at_rest(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever failed with it after the lease: it is due for nobody, and its trail ends as it did."""
    order = killed(shop)

    def outlives_the_lease(*_: Any) -> None:
        monkeypatch.undo()
        assert shop.work() > 0
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(shop.products, "reserve", outlives_the_lease)
    before = failures("resume")
    shop.work_once()
    assert failures("resume") == before + 1
    found = Order.objects.get(pk=order.pk)
    assert (found.status, found.step, found.due_at, found.retry_count) == ("PAID", "closed", None, 0)
    assert trail(order)[-1] == "order.closed"
    assert shop.work() == 0


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_has_to_give_way_is_made_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers that want the same orders may deadlock over them: the order has nothing to do with that."""
    order = killed(shop)
    right, deadlocks = rows.update, [OperationalError(1213, "Deadlock found when trying to get lock")]

    def update(*args: Any, **kwargs: Any) -> Any:
        if deadlocks:
            raise deadlocks.pop()
        return right(*args, **kwargs)

    monkeypatch.setattr("order_service.orders.writes.rows.update", update)
    assert shop.work_once() == 1
    assert deadlocks == []
    assert Order.objects.get(pk=order.pk).status == "PAID"
    assert "order.postponed" not in trail(order)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds an order was left for later, each time; leases are none of it."""
    found: list[float] = []
    right = clock.seconds_from_now

    def seconds_from_now(seconds: float) -> Any:
        found.extend([seconds] * (seconds != 25.0))
        return right(seconds)

    monkeypatch.setattr("order_service.orders.writes.clock.seconds_from_now", seconds_from_now)
    return found


class PuzzlingPayments(FakePayments):
    """A payment service of whose answers about some orders nobody can make anything."""

    def __init__(self) -> None:
        super().__init__()
        self.puzzles: set[UUID] = set()

    def find(self, order_id: UUID) -> PaymentSeen | None:
        if order_id in self.puzzles:
            raise KeyError("a mistake of ours")
        return super().find(order_id)


def test_the_others_are_asked_about_in_the_same_round(shop: Shop) -> None:
    """However many before them are bad; each of those waits longer each time."""
    shop.payments = payments = PuzzlingPayments()
    orders = [shop.place(pay_later=True) for _ in range(6)]
    for order in orders:
        payments.pay(order.uid, Decimal("20.00"))
        payment_hints.note(order.uid, payment_hints.News.TAKEN)
    payments.puzzles = {order.uid for order in orders[:4]}
    before = failures("ask")
    assert ask_once(shop.run()) == 2
    assert failures("ask") == before + 4
    assert [order.status for order in Order.objects.order_by("number")] == ["PENDING"] * 4 + ["PAID"] * 2
    assert set(Order.objects.order_by("number").values_list("ask_retry_count", flat=True)[:4]) == {1}
    assert ask_once(shop.run()) == 0  # they wait
    payments.puzzles.clear()
    Order.objects.filter(ask_at__isnull=False).update(ask_at=clock.seconds_from_now(-1))
    assert ask_once(shop.run()) == 4
    assert set(Order.objects.values_list("status", "ask_retry_count")) == {("PAID", 0)}


def test_an_answer_about_one_order_that_cannot_be_used_stops_no_other(shop: Shop) -> None:
    """A single lie is no outage."""
    orders = [shop.place(pay_later=True) for _ in range(3)]
    for order in orders:
        shop.payments.pay(order.uid, Decimal("20.00"))
        payment_hints.note(order.uid, payment_hints.News.TAKEN)
    shop.payments.fail("find", Fault.NONSENSE)
    assert ask_once(shop.run()) == 2


def test_a_wish_that_cannot_be_fulfilled_waits_twice_as_long_each_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 s, 4 s ... 30 s."""
    found: list[float] = []
    right = clock.seconds_from_now
    monkeypatch.setattr(
        "order_service.orders.payment_hints.clock.seconds_from_now",
        lambda seconds: found.append(seconds) or right(seconds),
    )
    order = shop.place(pay_later=True)
    payment_hints.note(order.uid, payment_hints.News.TAKEN)
    shop.payments.fail("find", *[Fault.OUTAGE_BEFORE] * 6)
    found.clear()
    for _ in range(6):
        Order.objects.update(ask_at=right(-1))
        ask_once(shop.run())
    assert [seconds for seconds in found if seconds != 25.0] == [2, 4, 8, 16, 30, 30]
