"""Paid orders are closed many at a time, behind the answers to their customers."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError
from prometheus_client import REGISTRY

from order_service.orders import finishing, use_cases, worker_jobs, writes
from order_service.orders.finishing import PaidOrder
from order_service.orders.models import Order
from order_service.orders.states import Status, Step
from order_service.tests.conftest import Shop, trail
from order_service.tests.fakes import Fault
from servicekit.db.clock import seconds_from_now
from servicekit.events.models import Event

PAID = ["order.created", "order.reserved", "order.paid"]
CLOSED = [*PAID, "order.closed"]


@pytest.fixture
def left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[PaidOrder]:
    """What the requests of `shop` leave to somebody else."""
    handed: list[PaidOrder] = []
    run = shop.run

    def hand_over(order: Order) -> bool:
        handed.append(PaidOrder(order))
        return True

    monkeypatch.setattr(shop, "run", lambda: replace(run(), hand_over=hand_over))
    return handed


def plain(shop: Shop) -> Any:
    return replace(shop.run(), hand_over=lambda _: False)


def lags() -> float:
    return REGISTRY.get_sample_value("order_closing_lag_seconds_count") or 0.0


def test_the_customer_is_answered_when_the_order_is_paid(shop: Shop, left: list[PaidOrder]) -> None:
    """PAID is committed and the stock is held; nobody has confirmed it, and the order has a lease that runs out."""
    order = shop.place()
    assert (order.status, order.step, trail(order)) == (Status.PAID, Step.SETTLED, PAID)
    assert shop.products.calls["confirm"] == 0
    assert Order.objects.filter(due_at__isnull=False, due_at__gt=seconds_from_now(0)).count() == 1
    assert [each.order.uid for each in left] == [order.uid]


def test_many_are_closed_by_one_call_and_one_transaction(
    shop: Shop, left: list[PaidOrder], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    """Their stock is sold, each has its event with its own trace, and their clients see no other time of change."""
    orders = [shop.place() for _ in range(30)]
    paid = [PaidOrder(each.order, f"00-{n:032x}-{1:016x}-01") for n, each in enumerate(left, start=1)]
    before = lags()
    with django_assert_max_num_queries(5):
        finishing.finish(paid, plain(shop))
    assert shop.products.calls["confirm"] == 1
    assert set(shop.products.reservations.values()) == {"sold"}
    assert {tuple(trail(order)) for order in orders} == {tuple(CLOSED)}
    traces = Event.objects.filter(type="order.closed").values_list("aggregateid", "traceparent")
    assert dict(traces) == {str(each.order.uid): each.traceparent for each in paid}
    assert set(Order.objects.values_list("step", "due_at", "unsettled_since", "status")) == {
        ("closed", None, None, "PAID")
    }
    assert {o.uid: o.updated_at for o in Order.objects.all()} == {o.uid: o.updated_at for o in orders}
    assert lags() - before == 30


def test_one_that_was_cancelled_meanwhile_gets_its_money_back_and_the_others_are_closed(
    shop: Shop, left: list[PaidOrder]
) -> None:
    """Whichever comes first, its stock is back in the end, and nothing of the others waits."""
    orders = [shop.place() for _ in range(3)]
    use_cases.cancel_order(str(orders[1].uid), plain(shop))
    finishing.finish(left, plain(shop))
    statuses = [Order.objects.get(uid=order.uid).status for order in orders]
    assert statuses == [Status.PAID, Status.REFUNDED, Status.PAID]
    assert [shop.products.reservations[order.uid] for order in orders] == ["sold", "released", "sold"]
    assert [trail(order)[-1] for order in orders] == ["order.closed"] * 3
    assert trail(orders[0]) == CLOSED
    assert [shop.payments.holds_money(order.uid) for order in orders] == [True, False, True]


def test_one_that_is_cancelled_between_the_call_and_the_transaction_has_its_stock_back(
    shop: Shop, left: list[PaidOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was confirmed too late for the cancellation is returned by it."""
    orders = [shop.place() for _ in range(2)]
    close_all = writes.close_all

    def cancel_first(*arguments: Any, **named: Any) -> None:
        monkeypatch.undo()
        use_cases.cancel_order(str(orders[0].uid), plain(shop))
        close_all(*arguments, **named)

    run = plain(shop)
    monkeypatch.setattr(writes, "close_all", cancel_first)
    finishing.finish(left, run)
    assert [Order.objects.get(uid=order.uid).status for order in orders] == [Status.REFUNDED, Status.PAID]
    assert [shop.products.reservations[order.uid] for order in orders] == ["released", "sold"]
    assert shop.products.sold_returned[orders[0].uid] == 1
    assert trail(orders[1]) == CLOSED


def test_one_whose_stock_is_not_held_any_more_gets_its_money_back(shop: Shop, left: list[PaidOrder]) -> None:
    """The others of its batch are sold."""
    orders = [shop.place() for _ in range(3)]
    del shop.products.reservations[orders[2].uid]
    finishing.finish(left, plain(shop))
    assert [Order.objects.get(uid=order.uid).status for order in orders] == ["PAID", "PAID", "REFUNDED"]
    assert [Order.objects.get(uid=order.uid).step for order in orders] == ["closed"] * 3


def test_an_outage_leaves_all_of_them_for_later(shop: Shop, left: list[PaidOrder]) -> None:
    """Each says why in its trail, and a worker closes all of them when the product service is back."""
    orders = [shop.place() for _ in range(3)]
    shop.products.fail("confirm", Fault.OUTAGE_AFTER)
    finishing.finish(left, plain(shop))
    assert {tuple(trail(order)) for order in orders} == {(*PAID, "order.postponed")}
    assert set(Order.objects.values_list("retry_count", flat=True)) == {1}
    calls = shop.products.calls["confirm"]
    shop.make_due()
    assert worker_jobs.resume_once(plain(shop)) == 3
    assert shop.products.calls["confirm"] - calls == 1
    assert {tuple(trail(order)) for order in orders} == {(*PAID, "order.postponed", "order.closed")}


def test_one_that_failed_with_others_goes_by_itself_in_the_end(shop: Shop, left: list[PaidOrder]) -> None:
    """Where confirming many fails for good, each is closed alone."""
    orders = [shop.place() for _ in range(3)]
    Order.objects.update(retry_count=2)
    shop.make_due()
    calls = shop.products.calls["confirm"]
    assert worker_jobs.resume_once(plain(shop)) == 3
    assert shop.products.calls["confirm"] - calls == 3
    assert {trail(order)[-1] for order in orders} == {"order.closed"}


def test_what_a_dead_process_left_is_closed_by_a_worker_at_once_for_all(shop: Shop, left: list[PaidOrder]) -> None:
    """And when the process was only asleep, what it does then is stale and changes nothing."""
    orders = [shop.place() for _ in range(4)]
    shop.make_due()
    assert worker_jobs.resume_once(plain(shop)) == 4
    assert shop.products.calls["confirm"] == 1
    events, versions = Event.objects.count(), list(Order.objects.values_list("version", flat=True))
    finishing.finish(left, plain(shop))
    assert (Event.objects.count(), list(Order.objects.values_list("version", flat=True))) == (events, versions)
    assert {tuple(trail(order)) for order in orders} == {tuple(CLOSED)}


def test_one_that_cannot_be_closed_keeps_no_other_from_it(
    shop: Shop, left: list[PaidOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set aside for longer each time, with its reason in its trail."""
    orders = [shop.place() for _ in range(3)]
    bad = orders[1].uid
    shop.products.reservations[bad] = "released"
    begin_refund = writes.begin_refund

    def breaks(order: Order, **named: Any) -> Order:
        if order.uid == bad:
            raise DatabaseError("scripted")
        return begin_refund(order, **named)

    monkeypatch.setattr(writes, "begin_refund", breaks)
    finishing.finish(left, plain(shop))
    assert [trail(order)[-1] for order in orders] == ["order.closed", "order.postponed", "order.closed"]


def test_where_no_more_may_wait_a_request_closes_its_own_order(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what waits to be closed is bounded under any load."""
    run = shop.run
    monkeypatch.setattr(shop, "run", lambda: replace(run(), hand_over=lambda _: False))
    order = shop.place()
    assert (order.step, trail(order)) == (Step.CLOSED, CLOSED)


def test_an_order_paid_later_is_left_to_the_finisher_as_well(shop: Shop, left: list[PaidOrder]) -> None:
    """An order that is settled by a look at its payment is closed by the finisher, too."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, Decimal("20.00"))
    assert use_cases.look_again(str(order.uid), shop.run()).step == Step.SETTLED
    finishing.finish(left, plain(shop))
    assert trail(order) == CLOSED
